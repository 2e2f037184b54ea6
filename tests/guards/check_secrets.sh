#!/usr/bin/env bash
# No file of the project has a path of somebody's machine, a private key, or a token of a service.
#
# guards_test.sh plants some, and is not read.
#
# usage: check_secrets.sh PROJECT
set -euo pipefail
cd "$1"
files() {
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then git ls-files -z -- ':!tests/guards/guards_test.sh'
  else find . -path ./build -prune -o -type f -print0; fi
}
paths='(^|[^A-Za-z0-9_.$}~<>*)"-])"?/(home|root|work|workspace|Users|mnt|scratch|data)/[A-Za-z0-9_.-]+'
secrets='-----BEGIN [A-Z ]*PRIVATE KEY|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30}|github_pat_[A-Za-z0-9_]{30}|hf_[A-Za-z0-9]{30}|sk-[A-Za-z0-9_-]{32}|xox[abpr]-[0-9A-Za-z-]{10}'
secrets+='|(password|passwd|secret|api_?key)["'\'']?[[:space:]]*[:=][[:space:]]*["'\''][^"'\'']{8}'
found=0
# /home/me: the invented user of a test.
# What grep prints decides, not its status: a tracked file may be deleted, and of many files some groups have no hit.
hits=$(files | xargs -0 grep -snIE -- "$paths" | grep -v '/home/me\b' || true)
if [ -n "$hits" ]; then echo "$hits"; echo "a path of one machine"; found=1; fi
hits=$(files | xargs -0 grep -snIEi -- "$secrets" || true)
if [ -n "$hits" ]; then echo "$hits"; echo "something that looks like a secret"; found=1; fi
[ $found -ne 0 ] || echo "no path of one machine and no secret"
exit $found
