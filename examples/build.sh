#!/bin/sh
# Builds the program of every example, or with --check builds them elsewhere and compares with the
# committed bytes (exit 1 where they differ, 3 where the compiler is missing).
#
# The bytes are those of clang 14.0.6, lld 14.0.6 and the wasi-libc of Debian 12:
#   apt-get install clang-14 lld-14 wasi-libc libclang-rt-14-dev-wasm32
set -eu
cd "$(dirname "$0")"

command -v clang-14 >/dev/null && command -v wasm-ld-14 >/dev/null || {
    echo "build.sh: clang-14 or lld-14 is missing (see the head of this file)" >&2
    exit 3
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
differ=0

for path in cells words pi chapters \
    session/digits session/digits-net session/kmeans session/pagerank session/threshold; do
    name=${path##*/}
    built="$work/$name.wasm"
    # In two steps: in one, clang would run any wasm-opt that it finds, and the bytes would change.
    clang-14 --target=wasm32-wasi -O3 -Wall -Wextra -Werror -c -o "$work/$name.o" "$path/$name.c"
    clang-14 --target=wasm32-wasi -Wl,--strip-all -o "$built" "$work/$name.o"
    if [ "${1:-}" != --check ]; then
        cp "$built" "$path/$name.wasm"
        chmod 644 "$path/$name.wasm"
    elif ! cmp -s "$built" "$path/$name.wasm"; then
        echo "build.sh: $name.wasm is not what $name.c compiles to: run examples/build.sh" >&2
        differ=1
    fi
done
exit $differ
