#!/usr/bin/env bash
# prepare_spam on the command line: quotes as pandas reads them, the splits, the archive and the file, and what it says about mistakes.
#
# usage: prepare_spam_test.sh PREPARE_SPAM
set -euo pipefail
program=$1
. "$(dirname "$0")/checks.sh"

for i in $(seq 12); do printf 'ham\tmessage %d\nspam\tspam %d, buy\n' "$i" "$i"; done >"$folder/SMSSpamCollection"
# A text that begins with a quote goes over the end of its line; a quote inside of a text is one.
printf 'ham\t"begins\nham\tends" and goes on\n\nham\tsays "hello"\r\nham\t"all ""quoted"" text"\n' >>"$folder/SMSSpamCollection"
prepare() { "$program" --output "$folder/$1" "${@:2}" >"$folder/out" 2>"$folder/err"; }
prepare splits --file "$folder/SMSSpamCollection" || fail "$(cat "$folder/err")"
expect "what is said" "prepare_spam: warning: $folder/SMSSpamCollection: is not the publisher's file, so that the three files are not the reference's byte for byte" "$(cat "$folder/err")"
for split in train validation test; do expect "columns of $split" Label,Text "$(head -1 "$folder/splits/$split.csv")"; done
all() { cat "$folder/splits"/*.csv | grep -v '^Label,Text$'; }
expect "as many of both" "12 12" "$(all | grep -c '^0,') $(all | grep -c '^1,')"
expect "rows" "16 2 6" "$(for split in train validation test; do sed 1d "$folder/splits/$split.csv" | grep -c '^[01],'; done | xargs)"
expect "every spam message" 12 "$(all | grep -cE '^1,"spam [0-9]+, buy"$')"

# The same from an address; the download is used again.
prepare fetched --url "file://$folder/SMSSpamCollection" && expect "an address" "Only in $folder/fetched: SMSSpamCollection" "$(diff -r "$folder/splits" "$folder/fetched")"
prepare fetched --url "file://$folder/SMSSpamCollection" && grep -qF "Using $folder/fetched/SMSSpamCollection" "$folder/out" || fail "the download is not used again"

echo mine >"$folder/fetched/train.csv"
expect_error "a file of the user" 1 "$folder/fetched/train.csv: is there with other contents and is not replaced" --output "$folder/fetched" --file "$folder/SMSSpamCollection"
expect "the file of the user" "mine" "$(cat "$folder/fetched/train.csv")"

# As many ham as spam messages, so that every one is written.
sed -n '25,$p' "$folder/SMSSpamCollection" >"$folder/few.tsv" && for i in 1 2 3; do printf 'spam\tx %d\n' "$i"; done >>"$folder/few.tsv"
for i in $(seq 9); do printf 'spam\ty %d\n' "$i"; printf 'ham\tz %d\n' "$i"; done >>"$folder/few.tsv"
prepare few --file "$folder/few.tsv"
expect "a quoted text over two lines" 2 "$(grep -hA1 '^0,"\?begins' "$folder/few"/*.csv | grep -cE '^(0,"begins|ham	ends and goes on")$' || true)"
expect "quotes of a text" 1 "$(grep -hcE '^0,"says ""hello"""$' <(cat "$folder/few"/*.csv))"
expect "quotes of a quoted text" 1 "$(grep -hcE '^0,"all ""quoted"" text"$' <(cat "$folder/few"/*.csv))"

expect_error "no output" 2 "--output is required" --file "$folder/few.tsv"
expect_error "no file" 1 "$folder/none: no such file" --output "$folder/x" --file "$folder/none"
expect_error "a folder" 1 "$folder: is not a regular file" --output "$folder/x" --file "$folder"
expect_error "a download that fails" 1 "the download failed" --output "$folder/x" --url "file://$folder/none.zip"
cp "$folder/few.tsv" "$folder/no.zip"
expect_error "a file that is no archive" 1 "no.zip: the archive cannot be read" --output "$folder/x" --file "$folder/no.zip"
printf 'ham\tfine\nspma\tmistyped\n' >"$folder/bad" && expect_error "a mistyped label" 1 "bad:2: is not ham or spam, a tab and a text: 'spma', 2 fields" --output "$folder/x" --file "$folder/bad"
printf 'ham\tfine\nham\n' >"$folder/bad" && expect_error "a row without a text" 1 "bad:2: is not ham or spam, a tab and a text: 'ham', 1 fields" --output "$folder/x" --file "$folder/bad"
printf 'ham\tfine\nspam\tx\nspam\ty\n' >"$folder/bad" && expect_error "more spam than ham" 1 "there are 2 spam messages and only 1 others" --output "$folder/x" --file "$folder/bad"
printf 'ham\tfine\nspam\tx\n' >"$folder/bad" && expect_error "too few messages" 1 "there are 2 messages of both kinds, too few for three files" --output "$folder/x" --file "$folder/bad"
printf 'ham\t\xff\n' >"$folder/bad" && expect_error "broken text" 1 "bad: is not valid UTF-8 at its byte 4" --output "$folder/x" --file "$folder/bad"
head -c 17000000 /dev/zero >"$folder/large.zip"
expect_error "a file that is too large" 1 "large.zip: has more than 16777216 bytes" --output "$folder/x" --file "$folder/large.zip"
expect_error "a download that is too large" 1 "the download is larger than expected" --output "$folder/x" --url "file://$folder/large.zip"
finish
