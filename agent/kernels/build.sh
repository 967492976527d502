#!/bin/sh
# Builds the kernels that a machine's speed is measured with from the sources in bench/guests, or
# with --check builds them elsewhere and compares with the committed bytes (exit 1 where they
# differ, 3 where the compiler is missing).
#
# The bytes are those of clang 14.0.6, lld 14.0.6 and the wasi-libc of Debian 12:
#   apt-get install clang-14 lld-14 wasi-libc libclang-rt-14-dev-wasm32
set -eu
cd "$(dirname "$0")"
sources=../../bench/guests

command -v clang-14 >/dev/null && command -v wasm-ld-14 >/dev/null || {
    echo "build.sh: clang-14 or lld-14 is missing (see the head of this file)" >&2
    exit 3
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
differ=0

for name in matmul sha256 blur nbody; do
    built="$work/$name.wasm"
    # In two steps: in one, clang would run any wasm-opt that it finds, and the bytes would change.
    clang-14 --target=wasm32-wasi -O3 -msimd128 -fno-math-errno -c -o "$work/$name.o" "$sources/$name.c"
    clang-14 --target=wasm32-wasi -Wl,--strip-all -o "$built" "$work/$name.o"
    if [ "${1:-}" != --check ]; then
        cp "$built" "$name.wasm"
        chmod 644 "$name.wasm"
    elif ! cmp -s "$built" "$name.wasm"; then
        echo "build.sh: $name.wasm is not what $name.c compiles to: run agent/kernels/build.sh" >&2
        differ=1
    fi
done
exit $differ
