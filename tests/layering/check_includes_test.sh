#!/usr/bin/env bash
# The layering check itself: it passes on a listed edge, and fails on an unlisted one and on a header of no room.
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
echo "layering check detects both kinds"
