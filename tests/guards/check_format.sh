#!/usr/bin/env bash
# Every C++ and CUDA file is laid out as .clang-format says. Other versions of clang-format break lines elsewhere, so it
# takes version 14 (Debian 12's). Skipped (77) where there is none.
#
# usage: check_format.sh PROJECT
set -euo pipefail
cd "$1"
tool=
for name in clang-format-14 clang-format; do
  if "$name" --version 2>/dev/null | grep -q 'version 14\.'; then tool=$name; break; fi
done
[ -n "$tool" ] || { echo "SKIPPED: clang-format 14 is not installed (apt-get install clang-format-14)"; exit 77; }
sources() {
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then git ls-files -z -- '*.h' '*.cpp' '*.cu' '*.cuh'
  else find . -path ./build -prune -o \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' \) -print0; fi
}
count=$(sources | tr -cd '\0' | wc -c)
[ "$count" -gt 0 ] || { echo "no sources found below $1"; exit 1; }
sources | xargs -0 -n 50 "$tool" --dry-run --Werror
echo "$count files are formatted"
