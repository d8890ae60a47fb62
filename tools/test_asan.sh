#!/usr/bin/env bash
# Part of the Python suite with extension modules built under AddressSanitizer and UBSan, in a copy of the tree.
# Usage: tools/test_asan.sh <python> [pytest arguments]
set -euo pipefail
cd "$(dirname "$0")/.."
python=$(realpath -s "$1")
shift
[ $# -gt 0 ] || set -- tests/unit tests/device
tree=build/asan
sanitizers="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"

echo "building metalpy with $sanitizers in $tree"
mkdir -p "$tree"
# Only what differs is copied, so that a second run compiles only what has changed.
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
  if [ -f "$file" ] && ! cmp -s "$file" "$tree/$file"; then
    mkdir -p "$tree/$(dirname "$file")"
    cp -p "$file" "$tree/$file"
  fi
done
cd "$tree"
CFLAGS="$sanitizers -g -O1 -Wno-maybe-uninitialized ${CFLAGS:-}" LDFLAGS="$sanitizers ${LDFLAGS:-}" \
  "$python" setup.py -q build_ext --inplace

# Python itself is not instrumented: the runtimes come first, and its own leaks are not ours.
runtime=$("${CC:-cc}" -print-file-name=libasan.so):$("${CC:-cc}" -print-file-name=libubsan.so)
export ASAN_OPTIONS="detect_leaks=0:detect_stack_use_after_return=0:allow_user_segv_handler=1:allocator_may_return_null=1"
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1"
export LD_PRELOAD="$runtime" PYTHONMALLOC=malloc
"$python" -c 'import sys; from metalpy._core.driver import build_facts; sys.exit(
    None if build_facts()["sanitizer"] == "address" else "these extension modules have no AddressSanitizer")'
"$python" -m pytest -q --benchmark-disable -p no:cacheprovider "$@"
