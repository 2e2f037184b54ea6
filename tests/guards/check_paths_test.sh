#!/usr/bin/env bash
# The check of paths itself: it passes on paths that exist, and fails on one that does not, wherever it stands.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/base" "$tree/docs" "$tree/scripts"
good='See base/a.h, base/{a,b}.h, base/*.h, base/<name>.h, docs, docs/, b.h and https://base/x.h.'
reset() {
  printf '// %s\n#include "base/nothing.h"\nint x = 1;  // a/b of no folder\n' "$good" >"$tree/base/a.h"
  printf 'int y;\n' >"$tree/base/b.h"
  printf '%s\n' "$good" >"$tree/docs/tour.md"
  printf '#!/bin/sh\n# %s\necho base/nothing\n' "$good" >"$tree/scripts/run.sh"
}
fires() {  # after a change of the tree
  if "$here/check_paths.sh" "$tree" >"$tree.out"; then echo "not found: $1"; rm -f "$tree.out"; exit 1; fi
  grep -q "$2" "$tree.out" || { cat "$tree.out"; rm -f "$tree.out"; exit 1; }
  rm -f "$tree.out"
  reset
}
reset
"$here/check_paths.sh" "$tree"
echo '// as base/c.h says' >>"$tree/base/b.h"; fires "a path in a comment" 'base/b.h:2: base/c.h does not exist'
echo 'int z;  // base/c.h' >>"$tree/base/b.h"; fires "a path in a comment after code" 'base/b.h:2: base/c.h'
echo '// see gone.h' >>"$tree/base/b.h"; fires "a bare name" 'no file is named gone.h'
echo '`base/{a,c}.h`' >>"$tree/docs/tour.md"; fires "one of two names" 'docs/tour.md:2: base/{a,c}.h'
echo 'base/c*.h' >>"$tree/docs/tour.md"; fires "a pattern without files" 'docs/tour.md:2'
echo '# scripts/gone.sh' >>"$tree/scripts/run.sh"; fires "a path in a script" 'scripts/run.sh:4: scripts/gone.sh'
echo "the check of paths finds each kind"
