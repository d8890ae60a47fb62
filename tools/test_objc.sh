#!/usr/bin/env bash
# Builds Apple's driver with the stand-in for Metal and runs the device tests on it.
# Usage: tools/test_objc.sh <python> [pytest arguments]
#        tools/test_objc.sh --asan     the driver's soak without Python, under AddressSanitizer and UBSan
# Installs Debian's packages where they are missing and may be installed; skips, with the reason, where they cannot be.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1
shift
skip() {
  echo "test-objc: skipped, $1"
  exit 0
}
# clang for blocks, gcc's Objective-C runtime, GNUstep's Foundation, and the library that copies blocks.
packages="clang gobjc libgnustep-base-dev libblocksruntime-dev"

[ "$(uname -s)" = Linux ] || skip "the stand-in for Metal is for Linux; on macOS run pytest with --device=metal"
command -v dpkg >/dev/null && command -v apt-get >/dev/null || skip "it needs Debian's packages: $packages"
missing=
for package in $packages; do
  [ "$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null)" = "install ok installed" ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
  as_root=
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || skip "only root can install$missing"
    as_root="sudo -n"
  fi
  echo "test-objc: installing$missing"
  # shellcheck disable=SC2086
  { $as_root apt-get install -qq -y --no-install-recommends $missing ||
    { $as_root apt-get update -qq && $as_root apt-get install -qq -y --no-install-recommends $missing; }; } >/dev/null 2>&1 ||
    skip "apt-get cannot install$missing"
fi

if [ "$python" = --asan ]; then
  make --no-print-directory -s -j2 -C tests/metal_standin test-asan
  exit
fi
make --no-print-directory -s -j2 -C tests/metal_standin build
if [ $# = 0 ]; then
  # Array functions have hundreds of kernels, from the compiler of the software device, which has run them all; the driver
  # meets nothing new in them. Operators, products, factorisations, transforms, indexing, graphs and packages stand for
  # all. `tools/test_objc.sh <python> tests/device` runs the others, too: three minutes more.
  set -- tests/apple tests/device tests/msl -k "not (test_elementwise_functions.py or test_reductions.py or \
    test_sorting.py or test_manipulation.py or test_cumulative.py or test_softmax.py or test_gradients.py or \
    test_modules.py or test_optimizers.py or test_examples.py)"
fi
"$python" -m pytest -q --benchmark-disable --device=metal \
  --metal-standin=build/objc/plain/libmetalpy_metal_standin.so "$@"
