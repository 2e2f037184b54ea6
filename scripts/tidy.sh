#!/usr/bin/env bash
# clang-tidy, with the checks of .clang-tidy, on every file that the build compiles, or on the files named and those in the folders named. Prints each
# finding once; exit 1 if there is one, or if a file could not be read; the end of its messages then follows. It takes version 19: older ones do not read
# all of C++20. About 35 minutes of 2 quiet cores.
#
# usage: scripts/tidy.sh [--project FOLDER] [FILE|FOLDER...]      reads the compiler's commands in build/tidy of the project, which it configures
set -euo pipefail
if [ "${1:-}" = --project ]; then cd "$2"; shift 2; else cd "$(dirname "$0")/.."; fi
command -v clang-tidy-19 >/dev/null || { echo "clang-tidy 19 is not installed (scripts/setup.sh clang-tidy-19)"; exit 2; }
# A folder of its own: build/release may have been configured to compile files in groups.
[ ! -f CMakeLists.txt ] || cmake --preset release -B build/tidy -D ATTUNE_UNITY=OFF >/dev/null

compiled() { sed -nE 's/^ *"file": "(.*)",?$/\1/p' build/tidy/compile_commands.json | grep -v "^$PWD/build/" | sort -u; }  # no generated file
[ $# -gt 0 ] || set -- .
files=()
for name in "$@"; do
  if [ -d "$name" ]; then mapfile -t -O ${#files[@]} files < <(compiled | grep "^$(realpath "$name")/"); else files+=("$name"); fi
done
[ ${#files[@]} -gt 0 ] || { echo "no files to read"; exit 2; }
found=$(mktemp)
trap 'rm -f "$found" "$found.messages"' EXIT
# -Wno-unknown-warning-option: the commands are GCC's.
code=0
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$(nproc)" \
  clang-tidy-19 -p build/tidy --quiet --extra-arg=-Wno-unknown-warning-option >"$found" 2>"$found.messages" || code=$?
grep -E ': (error|warning): ' "$found" | sed "s#^$PWD/##" | sort -u || true
[ $code -eq 0 ] || tail -n 5 "$found.messages" >&2
[ $code -eq 0 ] || { echo "clang-tidy: $(grep -cE ': (error|warning): ' "$found") findings in ${#files[@]} files"; exit 1; }
echo "clang-tidy: ${#files[@]} files are clean"
