#!/usr/bin/env bash
# The demo on invented reviews: the model it trains is right about the texts that the demo shows, and sure of them.
#
# usage: demo_test.sh PROJECT BIN
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$1/scripts/demo_model.sh" "$2" "$folder/demo" --invented | tee "$folder/out"
predictions=$(grep -E '^LABEL_[01]'$'\t' "$folder/out")
labels=$(cut -f1 <<<"$predictions" | tr '\n' ' ')
[ "$labels" = "LABEL_1 LABEL_0 LABEL_0 " ] || { echo "FAILED: expected LABEL_1 LABEL_0 LABEL_0, got $labels"; exit 1; }
awk -F'\t' '$2 + 0 < 75 { print "FAILED: unsure of: " $4; bad = 1 } END { exit bad }' <<<"$predictions"
accuracy=$(sed -n 's/^Test accuracy: \([0-9]*\).*/\1/p' "$folder/out")
[ "$accuracy" -ge 90 ] || { echo "FAILED: only $accuracy % of the test reviews"; exit 1; }
