#!/usr/bin/env bash
# Every file that a comment or a document names exists. A path that starts with a folder of the project's root must
# lead somewhere (* and {a,b} as in a shell; <x> and ... stand for anything); a bare source name, such as matmul.h, must
# be some file's.
#
# usage: check_paths.sh PROJECT
set -euo pipefail
cd "$1"
files() {
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then git ls-files
  else find . -path ./build -prune -o -type f -print | sed 's#^\./##'; fi
}
# file:line:text of comments, and of documents as a whole. :// is an address, not a comment.
prose() {
  files | grep -E '\.md$' | xargs -r grep -nH '' || true
  files | grep -E '\.(h|cpp|cu|cuh)$' | xargs -r grep -nHE '(^|[^:])//' | sed -E 's#^([^:]*:[0-9]+:)(.*[^:])?//#\1#' || true
  files | grep -E '(\.(sh|py|cmake)|CMakeLists\.txt)$' | xargs -r grep -nHE '(^|[[:space:]])#' | sed -E 's%^([^:]*:[0-9]+:)(.*[[:space:]])?#%\1%' || true
}
prose | awk -v listing="$(files)" '
  BEGIN {
    count = split(listing, file, "\n")
    for (i = 1; i <= count; ++i) {
      path = file[i]; known[path] = 1
      n = split(path, part, "/"); name[part[n]] = 1
      folder = ""
      for (j = 1; j < n; ++j) { folder = folder (j > 1 ? "/" : "") part[j]; known[folder] = 1 }
      if (n > 1) top[part[1]] = 1
    }
  }
  # Whether the pattern (a path with * and {a,b} and <x>) is some path of the tree.
  function exists(pattern,   expression, path) {
    if (pattern in known) return 1
    if (match(pattern, /\{[^}]*\}/)) {  # every alternative must exist
      head = substr(pattern, 1, RSTART - 1); tail = substr(pattern, RSTART + RLENGTH)
      options = split(substr(pattern, RSTART + 1, RLENGTH - 2), option, ",")
      return exists_each(head, tail, options)
    }
    if (pattern !~ /[*<]/) return 0
    expression = pattern
    gsub(/\./, "\\.", expression); gsub(/\*|<[^>]*>/, "[^/]*", expression)
    expression = "^" expression "$"
    for (path in known) if (path ~ expression) return 1
    return 0
  }
  function exists_each(head, tail, options,   i, choice) {
    for (i = 1; i <= options; ++i) choice[i] = option[i]
    for (i = 1; i <= options; ++i) if (!exists(head choice[i] tail)) return 0
    return 1
  }
  {
    match($0, /^[^:]*:[0-9]+:/); where = substr($0, 1, RLENGTH - 1); text = substr($0, RLENGTH + 1)
    gsub(/https?:\/\/[^ )>]*/, "", text)
    while (match(text, /[A-Za-z0-9_.~$][A-Za-z0-9_.*<>{},\/$~-]*/)) {
      token = substr(text, RSTART, RLENGTH); before = substr(text, 1, RSTART - 1); text = substr(text, RSTART + RLENGTH)
      if (before ~ /[\/$]$/) continue                          # the end of a longer path
      sub(/[.,\/-]+$/, "", token)
      if (token !~ /</) sub(/>.*$/, "", token)
      if (token ~ /\//) {
        root = token; sub(/\/.*/, "", root)
        if (root in top && token !~ /\.\.\./ && !exists(token)) { print where ": " token " does not exist"; bad = 1 }
      } else if (token ~ /^[a-z0-9_]+\.(h|cpp|cu|cuh|sh)$/ && !(token in name)) { print where ": no file is named " token; bad = 1 }
    }
  }
  END { if (!bad) print "every file named exists"; exit bad }'
