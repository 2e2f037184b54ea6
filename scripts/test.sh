#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test. Set ATTUNE_DATA to the folder of the real data to run the tests
# that need it; without it they are shown as skipped.
#
# usage: scripts/test.sh [ctest arguments, e.g. -L unit]
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
cmake --preset release
cmake --build --preset release --parallel "$(nproc)"
ctest --preset release --parallel 2 "$@"
