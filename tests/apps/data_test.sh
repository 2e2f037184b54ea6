#!/usr/bin/env bash
# Where a run's data comes from: every form of a file gives the same run, and what the programs say about mistakes.
#
# usage: data_test.sh TRAIN_GPT TRAIN_BERT TRAIN_LOGREG TOKENIZE PREPARE_IMDB
set -euo pipefail
train_gpt=$1 train_bert=$2 train_logreg=$3 tokenize=$4 prepare_imdb=$5
program=$train_gpt
. "$(dirname "$0")/checks.sh"

invented_data 41 300
small_gpt2 300
common=(--tokenizer "$folder/tokenizer" --weights random --config "$folder/config.json" --context_length 16 --threads 1 --eval_freq 0 --max_steps 3
  --no_final_evaluation --trainable_layers all)

# The same rows in every form, without the characters that some of them quote.
forms="tsv jsonl json ndjson"
for split in train validation test; do
  csv=$folder/data/$split.csv
  sed -i '1!{s/,\([01]\)$/\t\1/; s/[",\\]//g; s/\t/,/}' "$csv"
  sed 's/,/\t/' "$csv" >"$folder/$split.tsv"
  tail -n +2 "$csv" | sed 's/^\(.*\),\([01]\)$/{"id": 7, "label": \2, "text": "\1"}/' >"$folder/$split.jsonl"
  cp "$folder/$split.jsonl" "$folder/$split.json" && cp "$folder/$split.jsonl" "$folder/$split.ndjson"
done
train() { "$train_gpt" "${common[@]}" "${@:2}" --output "$folder/run_$1" >"$folder/$1.out"; }
same() { cmp "$folder/run_data/model.safetensors" "$folder/run_$1/model.safetensors" || fail "$1: another run"; }
train data --data "$folder/data"
for form in $forms; do
  train "$form" --train "$folder/train.$form" --validation "$folder/validation.$form" --test "$folder/test.$form"
  same "$form"
  train "$form" --train "$folder/train.$form" --validation "$folder/validation.$form" --test "$folder/test.$form"
  expect "stored ids of $form" 3 "$(grep -c '^Token ids of .*: from ' "$folder/$form.out")"
  same "$form"
done
train mixed --train "$folder/data/train.csv" --validation "$folder/validation.tsv" --test "$folder/test.jsonl"
same mixed

# A folder of texts: the first text of each class, then the second.
mkdir "$folder/ordered"
for split in train validation test; do
  for class in 0 1; do
    mkdir -p "$folder/texts/$split/$class"
    grep ",$class\$" "$folder/data/$split.csv" | head -9 >"$folder/class$class"
    for i in 1 2 3 4 5 6 7 8 9; do sed -n "${i}s/,[01]\$//p" "$folder/class$class" >"$folder/texts/$split/$class/$i.txt"; done
  done
  { echo text,label; paste -d '\n' "$folder/class0" "$folder/class1"; } >"$folder/ordered/$split.csv"
done
train data --data "$folder/ordered"
texts=(--train "$folder/texts/train" --validation "$folder/texts/validation" --test "$folder/texts/test")
train texts "${texts[@]}"
same texts
train texts "${texts[@]}"
expect "stored ids of texts" 3 "$(grep -c '^Token ids of .*: from ' "$folder/texts.out")"
mv "$folder/texts/train/0/9.txt" "$folder/texts/train/1/90.txt"
train texts "${texts[@]}"
expect "stored ids after a file is moved" 2 "$(grep -c '^Token ids of .*: from ' "$folder/texts.out")"
expect_error "a log among the texts" 1 "the run reads the texts in $folder/texts/test" "${common[@]}" "${texts[@]}" --log_file "$folder/texts/test/0/1.txt"

# The other programs read the same.
"$train_logreg" --data "$folder/ordered" --output "$folder/bag_data" >/dev/null
for form in tsv jsonl; do
  "$train_logreg" --train "$folder/train.$form" --validation "$folder/validation.$form" --test "$folder/test.$form" --output "$folder/bag_$form" >/dev/null
done
cmp "$folder/bag_tsv/model.safetensors" "$folder/bag_jsonl/model.safetensors" || fail "train_logreg: another model of JSON lines"
mv "$folder/texts/train/1/90.txt" "$folder/texts/train/0/9.txt"
"$train_logreg" "${texts[@]}" --output "$folder/bag_texts" >/dev/null
cmp "$folder/bag_data/model.safetensors" "$folder/bag_texts/model.safetensors" || fail "train_logreg: another model of a folder of texts"

# Mistakes.
three=(--train "$folder/train.tsv" --validation "$folder/validation.tsv" --test "$folder/test.tsv")
for program in "$train_gpt" "$train_bert" "$train_logreg"; do
  name=$(basename "$program")
  expect_error "$name: two sources" 2 "--data excludes --train" --data "$folder/data" "${three[@]}"
  expect_error "$name: validation data alone" 2 "--validation requires --train" --validation "$folder/validation.tsv"
done
program=$train_gpt
expect_error "a missing file" 1 "$folder/none.csv: no such file" "${common[@]}" "${three[@]}" --validation "$folder/none.csv"
cp "$folder/train.tsv" "$folder/train.txt"
expect_error "a form that is none" 1 "train.txt: is neither a folder nor a file whose name ends with .csv" "${common[@]}" "${three[@]}" --train "$folder/train.txt"
expect_error "a missing column" 1 "test.jsonl: there is no column 'body'; the columns are 'id', 'label', 'text'" "${common[@]}" "${three[@]}" \
  --train "$folder/test.jsonl" --text_column body
expect_error "an empty folder" 1 "has no folder of .txt files" "${common[@]}" "${three[@]}" --train "$folder/texts"

finish
