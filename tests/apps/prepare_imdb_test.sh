#!/usr/bin/env bash
# prepare_imdb on the command line: the invented set, what it says about mistakes, and that a failure leaves no file behind.
#
# usage: prepare_imdb_test.sh PREPARE_IMDB
set -euo pipefail
program=$1
source "$(dirname "$0")/checks.sh"

"$program" --synthetic --output "$folder/new/set" >"$folder/out"
expect "what it wrote" "Wrote train.csv, validation.csv and test.csv to $folder/new/set" "$(cat "$folder/out")"
expect "files" "test.csv train.csv validation.csv" "$(ls "$folder/new/set" | xargs)"
for split in train validation test; do expect "columns of $split" text,label "$(head -1 "$folder/new/set/$split.csv")"; done
expect "rows" "8000 300 300" "$(for split in train validation test; do tail -n +2 "$folder/new/set/$split.csv" | grep -cE ',[01]$'; done | xargs)"
"$program" --synthetic --output "$folder/again" >/dev/null
expect "the same set again" "" "$(diff -r "$folder/new/set" "$folder/again")"

"$program" --synthetic --output "$folder/again" >/dev/null || fail "the same files are refused"
echo mine >"$folder/again/test.csv"
expect_error "a file of the user" 1 "$folder/again/test.csv: is there with other contents and is not replaced" --synthetic --output "$folder/again"
expect "the file of the user" "mine" "$(cat "$folder/again/test.csv")"
expect "nothing else is left" "test.csv train.csv validation.csv" "$(ls "$folder/again" | xargs)"

expect_error "no output" 2 "--output is required" --synthetic
expect_error "an address and an archive" 2 "--archive excludes --url" --output "$folder/x" --archive a --url https://example.org/a.tar.gz
expect_error "two sources" 2 "--archive excludes --folder" --output "$folder/x" --archive a --folder b
expect_error "an invented set from an archive" 2 "--synthetic" --output "$folder/x" --archive a --synthetic
expect_error "output below a file" 1 "$folder/out" --output "$folder/out/below" --synthetic
expect_error "no archive there" 1 "$folder/none.tar.gz: no such file" --output "$folder/x" --archive "$folder/none.tar.gz"
expect_error "no folder there" 1 "$folder/none/test/pos: no such folder" --output "$folder/x" --folder "$folder/none"
expect_error "an address that names no file" 1 "https://example.org/ names no file" --output "$folder/x" --url https://example.org/
expect_error "a download that fails" 1 "file://$folder/none.tar.gz: the download failed" --output "$folder/x" --url "file://$folder/none.tar.gz"
expect "nothing is left of them" "" "$(ls "$folder/x")"

mkdir -p "$folder/aclImdb/train/pos" && echo fine >"$folder/aclImdb/train/pos/0_9.txt"
tar -czf "$folder/few.tar.gz" -C "$folder" aclImdb
expect_error "a set that is not whole" 1 "found 0 reviews in aclImdb/test/pos where 12500 are expected" --output "$folder/x" --url "file://$folder/few.tar.gz"
expect "the download is kept" "few.tar.gz" "$(ls "$folder/x")"
expect_error "the download used again" 1 "$folder/x/few.tar.gz: found 0 reviews" --output "$folder/x" --url "file://$folder/few.tar.gz"
grep -qF "Using $folder/x/few.tar.gz" "$folder/out" || fail "the download used again: $(cat "$folder/out")"

mkdir -p "$folder/blocked/test/pos" && mkfifo "$folder/blocked/test/pos/0_9.txt"
expect_error "a FIFO as a review" 1 "$folder/blocked/test/pos/0_9.txt: is not a regular file" --output "$folder/x" --folder "$folder/blocked"

# A whole set whose reviews are not the publisher's: it is written, with a warning.
mkdir -p "$folder"/other/{test,train}/{pos,neg}
awk -v root="$folder/other" 'BEGIN {
  split("test/pos test/neg train/pos train/neg", places, " ")
  for (p in places) for (i = 0; i < 12500; ++i) { file = root "/" places[p] "/" i "_9.txt"; printf "review %d", i >file; close(file) }
}'
"$program" --folder "$folder/other" --output "$folder/changed" >"$folder/out" 2>"$folder/err" || fail "a set of other reviews: $(cat "$folder/err")"
expect "the warning of other reviews" "prepare_imdb: warning: train.csv is not the reference recipe's byte for byte: the reviews have been changed or damaged" "$(cat "$folder/err")"
expect "the rows of other reviews" "35001 5001 10001" "$(for split in train validation test; do wc -l <"$folder/changed/$split.csv"; done | xargs)"

# A limit on the size of files fails a write half way, as a full disk does.
code=0
(trap '' XFSZ && ulimit -f 8 && "$program" --synthetic --output "$folder/full" >/dev/null 2>"$folder/err") || code=$?
expect "no room, exit code" 1 "$code"
expect "no room, message" "prepare_imdb: error: $folder/full/train.csv: cannot be written: File too large" "$(cat "$folder/err")"
expect "no room, files" "" "$(ls "$folder/full")"
finish
