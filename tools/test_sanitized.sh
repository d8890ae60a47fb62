#!/usr/bin/env bash
# Part of the Python suite with extension modules built under a sanitizer, in a copy of the tree.
# Usage: tools/test_sanitized.sh address|thread <python> [pytest arguments]
#   address  AddressSanitizer and UBSan; by default tests/unit and tests/device
#   thread   ThreadSanitizer; by default the tests that use several threads, and a short soak
set -euo pipefail
cd "$(dirname "$0")/.."
kind=$1
python=$(realpath -s "$2")
shift 2
case $kind in
  address)
    sanitizers="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"
    libraries="libasan.so libubsan.so"
    [ $# -gt 0 ] || set -- tests/unit tests/device
    ;;
  thread)
    sanitizers="-fsanitize=thread -fno-omit-frame-pointer"
    libraries="libtsan.so"
    [ $# -gt 0 ] || set -- tests/device/test_multithreading.py tests/device/test_streams.py tests/device/test_events.py
    ;;
  *)
    echo "tools/test_sanitized.sh knows the sanitizers address and thread, not $kind" >&2
    exit 2
    ;;
esac
tree=build/$kind

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
CFLAGS="$sanitizers -g -O1 -Wno-maybe-uninitialized -Wno-tsan ${CFLAGS:-}" LDFLAGS="$sanitizers ${LDFLAGS:-}" \
  "$python" setup.py -q build_ext --inplace

# Python itself is not instrumented: the runtimes come first, and its own leaks are not ours.
runtime=
for library in $libraries; do
  runtime=$runtime${runtime:+:}$("${CC:-cc}" -print-file-name="$library")
done
export ASAN_OPTIONS="detect_leaks=0:detect_stack_use_after_return=0:allow_user_segv_handler=1:allocator_may_return_null=1"
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1"
# Reports go to stderr, and make the process that has one end with 66.
export TSAN_OPTIONS="exitcode=66:second_deadlock_stack=1:allow_user_segv_handler=1:ignore_noninstrumented_modules=1"
export PYTHONMALLOC=malloc PYTHONPATH=.
# ThreadSanitizer wants the address space that it was made for.
launch=()
[ "$kind" != thread ] || launch=(setarch --addr-no-randomize)
run() { LD_PRELOAD="$runtime" "${launch[@]}" "$python" "$@"; }
run -c "import sys; from metalpy._core.registry import build_facts; sys.exit(
    None if build_facts()['sanitizer'] == '$kind' else 'these extension modules have no sanitizer: $kind')"
run -m pytest -q --benchmark-disable -p no:cacheprovider "$@"
[ "$kind" != thread ] || run tools/soak.py --operations 10000 --resident-tolerance 8000000000  # its shadow memory is not flat
