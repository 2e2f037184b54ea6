#!/usr/bin/env bash
# Installs the missing packages that a build of attune on Debian 12 needs, and prints them; changes nothing else.
#
# usage: scripts/setup.sh [--check] [PACKAGE...]     --check only says what is missing (exit 1 if anything is);
#                                                    PACKAGE: a further one that is wanted
set -euo pipefail

# third_party/README.md says what each library is for.
packages=(
  g++ cmake ninja-build ca-certificates git
  libgtest-dev libbenchmark-dev
  libre2-dev nlohmann-json3-dev libcli11-dev libutf8proc-dev
  libboost-context-dev liblbfgs-dev
  libarchive-dev libcurl4-openssl-dev libssl-dev
)

check=
[ "${1:-}" = --check ] && { check=1; shift; }
packages+=("$@")

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done

if [ ${#missing[@]} -eq 0 ]; then
  echo "setup: everything attune needs is installed"
  exit 0
fi
echo "setup: missing: ${missing[*]}"
[ -z "$check" ] || exit 1

sudo=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "setup: run as root, or install sudo"; exit 1; }
  sudo=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
echo "setup: installed ${missing[*]}"
