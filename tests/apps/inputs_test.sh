#!/usr/bin/env bash
# Inputs that are not what they seem: lines of standard input, byte-order marks, control characters and broken text, FIFOs, and a log
# that would overwrite an input.
#
# usage: inputs_test.sh TRAIN_GPT PREDICT TOKENIZE PREPARE_IMDB
set -euo pipefail
train_gpt=$1 predict=$2 tokenize=$3 prepare_imdb=$4
program=$train_gpt
. "$(dirname "$0")/checks.sh"

invented_data 41 300
small_gpt2 300
common=(--tokenizer "$folder/tokenizer" --weights random --config "$folder/config.json" --context_length 16 --threads 1 --eval_freq 0 --max_steps 1
  --no_final_evaluation)
"$train_gpt" "${common[@]}" --data "$folder/data" --output "$folder/model" >/dev/null
ask() { "$predict" --model_dir "$folder/model" --format csv "$@"; }

# Standard input: lines count from its beginning, and a byte-order mark is no text.
{ for _ in $(seq 40); do echo fine; done; printf 'bad \xff\n'; } >"$folder/lines"
program=$predict expect_error "a broken line" 1 "standard input:41: is not valid UTF-8 at its byte 4" --model_dir "$folder/model" --batch_size 8 <"$folder/lines"
expect "a byte-order mark" "$(printf 'fine\n' | ask)" "$(printf '\xef\xbb\xbffine\n' | ask)"
expect "a byte-order mark of JSON lines" "$(ask --text fine)" "$(printf '\xef\xbb\xbf{"text": "fine"}\n' | ask --jsonl -)"

# Control characters and broken characters of data do not reach the terminal.
mkdir "$folder/odd"
for split in train validation test; do { cat "$folder/data/$split.csv"; printf 'a text,x\033[2J\302\233y\n'; } >"$folder/odd/$split.csv"; done
clean() { ! grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xc3"' "$1"; }
expect_error "a label with controls" 1 'x\x1b[2J\xc2\x9by' "${common[@]}" --data "$folder/odd"
clean "$folder/err" || fail "controls of a label reach the terminal"
"$train_gpt" "${common[@]}" --data "$folder/odd" --trust_labels --output "$folder/odd_model" >"$folder/out" || fail "labels with controls"
LC_ALL=C clean "$folder/out" || fail "controls of a label reach the table"
"$predict" --model_dir "$folder/odd_model" --csv "$folder/odd/test.csv" >"$folder/out"
LC_ALL=C clean "$folder/out" || fail "controls of a label reach the predictions"
sed -i '$s/.*/a\x00b,1\x00/' "$folder/odd/test.csv"
expect_error "a label with NUL" 1 "test.csv:42: the label '1\\x00' is not one of the 3 classes (0, 1, x\\x1b[2J\\xc2\\x9by)" "${common[@]}" --data "$folder/odd" --trust_labels
printf 'text,label\n"a"\303\251,1\n' >"$folder/odd/test.csv"
expect_error "half a character" 1 "a quoted field is followed by '\\xc3' where" "${common[@]}" --data "$folder/odd" --trust_labels

# A FIFO blocks where a file is read more than once, and is fine where it is read once.
mkfifo "$folder/odd/fifo" && rm "$folder/odd/test.csv" && mv "$folder/odd/fifo" "$folder/odd/test.csv"
expect_error "a FIFO as data" 1 "odd/test.csv: is not a regular file" "${common[@]}" --data "$folder/odd" --trust_labels
program=$predict expect_error "a column without a file" 2 "--column requires --csv" --model_dir "$folder/model" --text x --column text
program=$predict expect_error "a field without a file" 2 "--field requires --jsonl" --model_dir "$folder/model" --text x --field text
program=$predict expect_error "a FIFO of pairs" 1 "odd/test.csv: is not a regular file" --model_dir "$folder/model" --csv "$folder/odd/test.csv" --pair_column text
program=$predict expect_error "a FIFO of two columns" 1 "odd/test.csv: is not a regular file" --model_dir "$folder/model" --data "$folder/odd/test.csv" --text_column text --text_pair_column label
for name in config.json tokenizer.json model.safetensors; do
  cp -r "$folder/model" "$folder/blocked" && rm "$folder/blocked/$name" && mkfifo "$folder/blocked/$name"
  program=$predict expect_error "a FIFO as $name" 1 "blocked/$name: is not a regular file" --model_dir "$folder/blocked" --text x
  expect_error "a FIFO as $name of a run" 1 "blocked/$name: is not a regular file" --data "$folder/data" --model_dir "$folder/blocked" --context_length 16 --max_steps 1
  rm -r "$folder/blocked"
done
cat "$folder/data/test.csv" >"$folder/odd/test.csv" & pid=$!
expect "a FIFO that is read once" "$(ask --csv "$folder/data/test.csv")" "$(ask --csv "$folder/odd/test.csv")"
wait $pid

# A log does not replace what the run reads or saves.
for file in "$folder/data/train.csv" "$folder/config.json" "$folder/tokenizer/tokenizer.json" "$folder/new/config.json"; do
  before=$(sha256sum "$file" 2>/dev/null || true)
  expect_error "a log as $file" 1 "the run reads or writes this file as $file" "${common[@]}" --data "$folder/data" --output "$folder/new" --log_file "$file"
  expect "$file after it" "$before" "$(sha256sum "$file" 2>/dev/null || true)"
done
ln -s "$folder/data/test.csv" "$folder/link"
expect_error "a log as a link to an input" 1 "the run reads or writes this file" "${common[@]}" --data "$folder/data" --log_file "$folder/link"
mkdir -p "$folder/new/checkpoints"
mkdir "$folder/logs"
(cd "$folder/logs" && for log in train.csv adapter_config.json; do
  "$train_gpt" "${common[@]}" --data "$folder/data" --log_file $log >/dev/null 2>"$folder/err" || fail "a log that no other file of the run has the name of: $(cat "$folder/err")"
done; exit "$failures") || fail "logs with usual names"
expect_error "a log among checkpoints" 1 "the run keeps its own files in" "${common[@]}" --data "$folder/data" --output "$folder/new" --log_file "$folder/new/checkpoints/latest"

# Without standard streams the log still has only its own lines.
"$train_gpt" "${common[@]}" --data "$folder/data" --log_file "$folder/closed.log" >&- 2>&- <&- || fail "a run without standard streams"
expect "foreign lines of a log" 0 "$(grep -vc '^{' "$folder/closed.log")"

finish
