#!/usr/bin/env bash
# Every package that scripts/setup.sh installs or that CMake names as missing is explained in third_party/README.md, and CMake names none that
# setup.sh does not install.
#
# usage: check_packages.sh PROJECT
set -euo pipefail
project=$1
installed=$(sed -n '/^packages=(/,/^)/p' "$project/scripts/setup.sh" | sed '1d;$d' | xargs -n 1)
named=$(grep -v "^#" "$project/cmake/AttuneDependencies.cmake" | grep -oE '(attune_missing\("[^"]*" |attune_find\(([^ ]+ ){3})[a-z0-9.+-]+' | awk '{print $NF}' | grep -vx package)
[ -n "$installed" ] && [ -n "$named" ] || { echo "no packages found in setup.sh or AttuneDependencies.cmake"; exit 1; }
failures=0
for package in $installed; do
  grep -qE "^\|[^|]*\| $(sed 's/[+.]/\\&/g' <<<"$package") \|" "$project/third_party/README.md" ||
    { echo "third_party/README.md has no row for $package, which scripts/setup.sh installs"; failures=1; }
done
for package in $named; do
  grep -qxF "$package" <<<"$installed" || { echo "scripts/setup.sh does not install $package, which CMake asks for"; failures=1; }
done
exit $failures
