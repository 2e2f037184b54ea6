#!/usr/bin/env bash
# What CMake links and what the layer table allows are the same: the DEPENDS of a room's libraries are its row.
#
# usage: check_depends.sh EDGES LAYERS      EDGES is what attune_write_edges wrote (cmake/AttuneTargets.cmake)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
awk -v layers="$2" "$(cat "$here/layers.awk")"'
  { from = room_of($1); to = room_of($2); built[from] = 1; if (from != to) linked[from, to] = 1 }
  END {
    if (NR == 0) { print "no edges"; exit 1 }
    for (edge in linked) if (!(edge in allowed)) {
      split(edge, e, SUBSEP); print "CMake links " e[1] " with " e[2] ", which its row in layers.txt does not list"; bad = 1
    }
    for (edge in allowed) {
      split(edge, e, SUBSEP)
      if ((e[1] in built) && !(edge in linked)) { print "layers.txt lets " e[1] " include " e[2] ", which no DEPENDS of its libraries names"; bad = 1 }
    }
    if (!bad) print "CMake and the layer table agree"
    exit bad
  }' "$1"
