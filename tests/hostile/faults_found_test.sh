#!/usr/bin/env bash
# faults_test.sh finds planted mistakes: a short write that is ignored, an allocation that is not checked, a temporary that is left.
#
# usage: faults_found_test.sh SHIM PROGRAMS
set -euo pipefail
code=0
found=$("$(dirname "$0")/faults_test.sh" 0 0 "$1" "$2" careless 2>&1) || code=$?
missing=0
for mistake in "write:1:short: the result is another one" "memory:[0-9]+:ENOMEM: exit code 139" "rename:1:EIO: left: result.attune-temporary-aaaaaa"; do
  grep -qE "FAILED: careless, $mistake" <<<"$found" || { echo "FAILED: not found: $mistake"; missing=1; }
done
[ $code -eq 1 ] || { echo "FAILED: exit code $code"; missing=1; }
[ $missing -eq 0 ] || { echo "$found"; exit 1; }
echo "all planted mistakes are found"
