#!/usr/bin/env bash
# scripts/tidy.sh passes on a clean file, and fails on a defect, a defect in a header, and a file that cannot be read. Skipped (77) without clang-tidy 19.
#
# usage: tidy_test.sh SCRIPT
set -euo pipefail
script=$1
command -v clang-tidy-19 >/dev/null || { echo "SKIPPED: clang-tidy 19 is not installed"; exit 77; }
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/build/tidy" "$tree/base"
cp "$(dirname "$script")/../.clang-tidy" "$tree"
printf '[\n{\n  "directory": "%s",\n  "command": "c++ -std=c++20 -Wno-restrict -c %s/base/a.cpp",\n  "file": "%s/base/a.cpp"\n}\n]\n' "$tree" "$tree" "$tree" \
  >"$tree/build/tidy/compile_commands.json"
fires() { if "$script" --project "$tree" >"$tree/out"; then echo "not found: $1"; exit 1; fi; grep -q "$2" "$tree/out" || { cat "$tree/out"; exit 1; }; }
echo 'int twice(int x) { return 2 * x; }' >"$tree/base/a.cpp"
"$script" --project "$tree" >/dev/null || { echo "fails on a clean file"; exit 1; }
"$script" --project "$tree" base >/dev/null || { echo "fails on a folder with a clean file"; exit 1; }
if "$script" --project "$tree" build >/dev/null; then echo "passes on a folder without a file"; exit 1; fi
printf '#include <string>\n#include <utility>\nstd::string f(std::string a) {\n  std::string b = std::move(a);\n  return a + b;\n}\n' >"$tree/base/a.cpp"
fires "a use after a move" 'base/a.cpp:5.*bugprone-use-after-move'
printf 'inline int g(int x) {\n  int* p = nullptr;\n  if (x > 0) p = &x;\n  return *p;\n}\n' >"$tree/base/a.h"
printf '#include "a.h"\nint h(int x) { return g(x); }\n' >"$tree/base/a.cpp"
fires "a null pointer in a header" 'base/a.h:4.*NullDereference'
echo 'int f( { }' >"$tree/base/a.cpp"
fires "a file that cannot be read" 'base/a.cpp:1'
echo "tidy.sh finds every fault that was planted"
