#!/usr/bin/env bash
# The layering checks themselves. Includes: they pass on a listed edge, and fail on an unlisted one and on a header of no
# room. Links: they pass where CMake and the table agree, and fail on an edge that only one of them has.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/base" "$tree/tokenizer"
printf '#include "base/a.h"\n' >"$tree/tokenizer/t.cpp"
"$here/check_includes.sh" "$tree" "$here/layers.txt" >/dev/null
printf '#include "tokenizer/t.h"\n' >"$tree/base/b.h"
if "$here/check_includes.sh" "$tree" "$here/layers.txt" >/dev/null; then echo "an upward include was not found"; exit 1; fi
printf '#include "b.h"\n' >"$tree/base/b.h"
if "$here/check_includes.sh" "$tree" "$here/layers.txt" >/dev/null; then echo "a header of no room was not found"; exit 1; fi
printf 'base:\ntokenizer: base\n' >"$tree/layers.txt"
links() { printf "$1" >"$tree/edges"; "$here/check_depends.sh" "$tree/edges" "$tree/layers.txt" >/dev/null; }
links 'tokenizer base\ntokenizer tokenizer/inner\n'
if links 'tokenizer base\nbase tokenizer\n'; then echo "a link that the table does not list was not found"; exit 1; fi
if links 'tokenizer tokenizer/inner\n'; then echo "a row that CMake does not link was not found"; exit 1; fi
echo "the layering checks detect each kind"
