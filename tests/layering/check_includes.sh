#!/usr/bin/env bash
# Reads every #include "..." below the rooms of the layer table and fails on an edge the table does not list.
#
# usage: check_includes.sh SOURCE_ROOT LAYERS_FILE
set -euo pipefail
root=$1 layers=$2
here=$(cd "$(dirname "$0")" && pwd)
cd "$root"
rooms=$(sed -e 's/#.*//' "$layers" | awk -F: 'NF {print $1}')
top=$(printf '%s\n' $rooms | cut -d/ -f1 | sort -u)
existing=()
for folder in $top; do [ -d "$folder" ] && existing+=("$folder"); done

find "${existing[@]}" -type f \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' \) -print0 |
  xargs -0 grep -nH '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' |
  awk -v layers="$layers" "$(cat "$here/layers.awk")"'
    {
      split($0, part, ":"); file = part[1]; number = part[2]
      target = $0; sub(/^[^"]*"/, "", target); sub(/".*/, "", target)
      from = room_of(file); to = room_of(target)
      if (from == "") next
      if (to == "") { print file ":" number ": \"" target "\" lies in no room of the layer table (include from the project root)"; bad = 1 }
      else if (from != to && !((from, to) in allowed)) { print file ":" number ": " from " may not include " to " (\"" target "\")"; bad = 1 }
      ++edges
    }
    END { if (!bad) print edges " includes, all along listed edges"; exit bad }'
