#!/usr/bin/env bash
# What predict reads: the same texts in every form give the same lines, and mistakes are said.
#
# usage: predict_test.sh TRAIN_GPT PREDICT TOKENIZE
set -euo pipefail
train_gpt=$1 predict=$2 tokenize=$3
program=$predict
. "$(dirname "$0")/checks.sh"

task_data
"$train_gpt" --data "$folder/data" --tokenizer "$folder/tokenizer" --weights random --config "$folder/config.json" --context_length 16 --max_steps 2 --eval_freq 0 \
  --no_final_evaluation --threads 1 --output "$folder/model" >/dev/null
csv=$folder/data/test.csv
ask() { "$predict" --model_dir "$folder/model" --format csv --threads 1 "$@" 2>"$folder/err"; }
expected=$(ask --csv "$csv")
expect "every row" 81 "$(wc -l <<<"$expected")"
expect "a .csv file" "$expected" "$(ask --data "$csv")"
cut -d, -f1 "$csv" >"$folder/texts.tsv"
expect "a .tsv file" "$expected" "$(ask --data "$folder/texts.tsv")"
expect "lines of standard input" "$expected" "$(sed 1d "$folder/texts.tsv" | ask)"
# A blank line of one column is an empty text, as on standard input.
printf 'first\n\nthird\r\n\r\n\nsixth\n\n' >"$folder/blank.txt"
expect "every line of standard input" 8 "$(ask <"$folder/blank.txt" | wc -l)"
for end in csv tsv; do
  { echo text; cat "$folder/blank.txt"; } >"$folder/blank.$end"
  expect "blank lines of one column of a .$end file" "$(ask <"$folder/blank.txt")" "$(ask --data "$folder/blank.$end")"
done
expect "blank lines of a file of any name" "$(ask <"$folder/blank.txt")" "$(ask --csv "$folder/blank.csv")"
for end in jsonl ndjson json; do
  sed '1d; s/.*/{"body": "&", "n": 1}/' "$folder/texts.tsv" >"$folder/texts.$end"
  expect "a .$end file" "$expected" "$(ask --data "$folder/texts.$end")"
  expect "the column that was found in .$end" "Columns of $folder/texts.$end: texts from body" "$(grep ^Columns "$folder/err")"
done
mkdir -p "$folder/texts/all"
at=1000
while IFS= read -r text; do printf '%s\n' "$text" >"$folder/texts/all/$((at++)).txt"; done < <(sed 1d "$folder/texts.tsv")
expect "a folder" "$expected" "$(ask --data "$folder/texts")"
awk -F, 'NR > 1 {print "{\"a\": \"" $1 "\", \"b\": \"red\", \"c\": \"big\"}"}' "$csv" >"$folder/pairs.jsonl"
"$train_gpt" --data "$folder/data" --tokenizer "$folder/tokenizer" --weights random --config "$folder/config.json" --context_length 16 --max_steps 2 --eval_freq 0 \
  --no_final_evaluation --threads 1 --text_pair_column tags --output "$folder/of_pairs" >/dev/null
ask_pairs() { "$predict" --model_dir "$folder/of_pairs" --format csv --threads 1 "$@" 2>"$folder/err"; }
expect "pairs" "$(ask_pairs --text "$(sed -n 2p "$folder/texts.tsv")" --text_pair red)" "$(ask_pairs --data "$folder/pairs.jsonl" --text_column a --text_pair_column b | head -2)"
if [ "$(ask_pairs --data "$folder/pairs.jsonl" --text_column a --text_pair_column b)" = "$(ask_pairs --data "$folder/pairs.jsonl" --text_column a --text_pair_column c)" ]; then fail "second texts change nothing"; fi

refuse() { expect_error "$1" "$2" "$3" --model_dir "$folder/model" "${@:4}"; }
refuse "a missing file" 1 "texts.xls: no such file" --data "$folder/texts.xls"
cp "$csv" "$folder/texts.xls"
refuse "an end that says nothing" 1 "texts.xls: is neither a folder nor a file whose name ends with .csv, .tsv" --data "$folder/texts.xls"
refuse "an unknown column" 1 "body" --data "$csv" --text_column body
refuse "no column that is called as usual" 1 "--text_column names one of" --data "$folder/pairs.jsonl"
refuse "one column twice" 2 "--text_column and --text_pair_column are one column" --data "$folder/pairs.jsonl" --text_column a --text_pair_column a
refuse "two sources" 2 "excludes" --data "$csv" --csv "$csv"
refuse "a column without data" 2 "--text_column requires --data" --text x --text_column a
printf 'text\tlabel\none\n' >"$folder/bad.tsv"
refuse "a bad row" 1 "bad.tsv:2" --data "$folder/bad.tsv"
finish
