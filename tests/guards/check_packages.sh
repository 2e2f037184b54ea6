#!/usr/bin/env bash
# Every package that a script installs with scripts/setup.sh has a row in third_party/README.md that states its licence; a script installs
# every package that CMake names; and every library that CMake searches has its row.
#
# usage: check_packages.sh PROJECT
set -euo pipefail
project=$1
table=$project/third_party/README.md dependencies=$project/cmake/AttuneDependencies.cmake
installed=$(sed -n '/^packages=(/,/^)/p' "$project/scripts/setup.sh" | sed '1d;$d' | xargs -n 1)
# Those that other scripts name, also in an array of one line: scripts/setup.sh "${some_packages[@]}" PACKAGE...
further=$({
  grep -hoE 'scripts/setup\.sh( ("\$\{[a-z_]+\[@\]\}"|[a-z][a-z0-9.+-]+))+' "$project"/scripts/*.sh | cut -d' ' -f2- | xargs -n 1 | grep -v '\$'
  sed -n 's/^[a-z]*_packages=(\(.*\))$/\1/p' "$project"/scripts/*.sh | xargs -n 1
} | sort -u)
named=$(grep -v "^#" "$dependencies" | grep -oE '(attune_missing\("[^"]*" |attune_find\(([^ ]+ ){3})[a-z0-9.+-]+' | awk '{print $NF}' | grep -vx package)
[ -n "$installed" ] && [ -n "$named" ] || { echo "no packages found in setup.sh or AttuneDependencies.cmake"; exit 1; }
failures=0
for package in $installed $further; do
  # library | package | version | licence
  grep -qE "^\|[^|]*\| $(sed 's/[+.]/\\&/g' <<<"$package") \|[^|]*[^| ][^|]*\|[^|]*[^| ][^|]*\|" "$table" ||
    { echo "third_party/README.md has no row with a licence for $package, which a script installs"; failures=1; }
done
for package in $named; do
  printf '%s\n' $installed $further | grep -qxF "$package" || { echo "no script installs $package, which CMake asks for"; failures=1; }
done
# A search without a package: threads are the system's; NVIDIA's have rows of their own.
while read -r library; do
  grep -A 3 -E "find_package\($library\b" "$dependencies" | grep -q attune_missing ||
    { echo "CMake searches $library, but names no package for it (attune_missing)"; failures=1; }
done < <(grep -oE '^ *find_package\([A-Za-z0-9_]+' "$dependencies" | sed 's/.*(//' | grep -vxE 'Threads|CUDAToolkit')
while read -r library; do
  echo "$library is searched outside of cmake/AttuneDependencies.cmake"; failures=1
done < <(find "$project" -path "$project/build" -prune -o \( -name CMakeLists.txt -o -name '*.cmake' \) -print0 |
  xargs -0 grep -HE '^ *(find_package|find_library|pkg_check_modules|FetchContent_Declare|ExternalProject_Add)\(' | grep -v 'cmake/AttuneDependencies.cmake:')
exit $failures
