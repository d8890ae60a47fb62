#!/usr/bin/env bash
# Compiles the Apple device against Apple's own headers, warnings as errors, and links it where a Mach-O linker is.
# Usage: tools/check_apple_sdk.sh <python> <MacOSX.sdk>    CC=<clang> picks another compiler than ziglang's.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1
sdk=$(realpath "${2:?usage: make check-apple-sdk SDK=/path/to/MacOSX.sdk}")
[ -d "$sdk/System/Library/Frameworks/Metal.framework" ] || { echo "no Metal.framework in $sdk"; exit 2; }
out=build/apple
mkdir -p "$out"

if [ -n "${CC:-}" ]; then
  compile=("$CC" -target arm64-apple-macosx12.0)
else
  # zig's headers of macOS would come before the SDK's, so its clang is run as it is, with no more than its own headers.
  headers=$("$python" -c 'import pathlib, ziglang; print(pathlib.Path(ziglang.__file__).parent / "lib/include")')
  compile=("$python" -m ziglang clang -target arm64-apple-macosx12.0 -isystem "$headers")
fi
flags=(-isysroot "$sdk" -std=gnu11 -O2 -fblocks -fobjc-exceptions -fno-objc-arc -fvisibility=hidden -Wall -Wextra
  -Wpedantic -Wshadow -Wstrict-prototypes -Wunguarded-availability -Werror -Imetalpy/include)
objects=()
for source in objc/*.m; do
  object=$out/$(basename "${source%.m}").o
  "${compile[@]}" "${flags[@]}" -c "$source" -o "$object"
  objects+=("$object")
done
echo "compiled ${#objects[@]} files for arm64-apple-macosx12.0 without a warning"

linker=$(command -v ld64.lld || command -v ld64.lld-14 || true)
if [ -z "$linker" ]; then
  echo "not linked: there is no ld64.lld (Debian's package lld has it)"
  exit 0
fi
library=$out/libmetalpy_metal.dylib
# Public mirrors of the SDK lack what one library re-exports of another, so those are named, too.
primitives=$sdk/System/Library/Frameworks/MetalPerformanceShaders.framework/Frameworks
"$linker" -arch arm64 -platform_version macos 12.0 12.0 -syslibroot "$sdk" -dylib -o "$library" "${objects[@]}" \
  -framework Foundation -framework CoreFoundation -framework Metal -framework MetalPerformanceShaders -framework IOKit \
  "$primitives/MPSMatrix.framework/MPSMatrix.tbd" "$primitives/MPSCore.framework/MPSCore.tbd" -lobjc -lSystem
echo "linked $library; what it needs of others:"
objdump=$(command -v llvm-objdump || command -v llvm-objdump-14 || true)
nm=$(command -v llvm-nm || command -v llvm-nm-14 || true)
[ -z "$objdump" ] || "$objdump" --macho --dylibs-used "$library" | sed -n 's/^\t/  /p'
[ -z "$nm" ] || echo "  $("$nm" -u "$library" | wc -l) undefined symbols, each found in Apple's libraries; exported: $(
  "$nm" -gU "$library" | awk '{print $3}' | xargs)"
