#!/usr/bin/env bash
# Values on the command line are taken as they are written: brackets are text, numbers are decimal, and an empty value (a variable that
# is not set) is a mistake of every flag but the free texts.
#
# usage: flags_test.sh TRAIN_GPT TRAIN_BERT TRAIN_LOGREG PREDICT TOKENIZE PREPARE_IMDB EVALUATE PREPARE_SPAM
set -euo pipefail
train_gpt=$1 train_bert=$2 train_logreg=$3 predict=$4 tokenize=$5 prepare_imdb=$6 evaluate=$7 prepare_spam=$8
. "$(dirname "$0")/checks.sh"

invented_data 41 300
mkdir "$folder/[a, b]" && cp "$folder/data/"* "$folder/[a, b]"

texts() { "$tokenize" --tokenizer "$folder/tokenizer" "$@" | wc -l; }
expect "texts in brackets" 1 "$(texts --text "[a, b]")"
expect "several of them" 3 "$(texts --text "[a, b]" --text "{}" --text "%%")"
for text in --format --format= --format=ids --text= --nothing= -x - -- "-1 of 5" ++; do
  expect "the text $text" 1 "$(texts --text "$text" || true)"
  expect "the text $text after =" 1 "$(texts --text="$text" || true)"
  expect "the same ids of both" "$("$tokenize" --tokenizer "$folder/tokenizer" --text "$text")" "$("$tokenize" --tokenizer "$folder/tokenizer" --text="$text")"
done
expect "the ids of a text in brackets" "$(printf 'text,label\n"[a, b]",1\n' >"$folder/one.csv" && "$tokenize" --tokenizer "$folder/tokenizer" --csv "$folder/one.csv")" \
  "$("$tokenize" --tokenizer "$folder/tokenizer" --text "[a, b]")"

small_gpt2 300
common=(--tokenizer "$folder/tokenizer" --weights random --config "$folder/config.json" --context_length 16 --threads 1 --eval_freq 0 --no_final_evaluation)
"$train_gpt" "${common[@]}" --data "$folder/[a, b]" --output "$folder/[c, d]" --max_steps 2 --checkpoint_every 1 >/dev/null || fail "folders in brackets"
"$train_gpt" "${common[@]}" --data "$folder/[a, b]" --resume "$folder/[c, d]" --max_steps 3 >/dev/null 2>&1 || fail "--resume of a folder in brackets"
expect "predictions of a text in brackets" 1 "$("$predict" --model_dir "$folder/[c, d]" --text "[a, b]" | wc -l)"
expect "predictions of an empty text" 1 "$("$predict" --model_dir "$folder/[c, d]" --text "" | wc -l)"
expect "predictions of texts that look like flags" 2 "$("$predict" --model_dir "$folder/[c, d]" --text '--format=' --text=--format= | wc -l)"

# Decimal.
"$train_gpt" "${common[@]}" --data "$folder/data" --num_epochs 010 --seed 010 --log_file "$folder/log" >/dev/null
expect "epochs of 010" 10 "$(grep -c '"epoch"' "$folder/log")"
"$train_gpt" "${common[@]}" --data "$folder/data" --num_epochs 10 --seed 10 --log_file "$folder/log10" >/dev/null
expect "the seed 010" "" "$(diff <(without_speeds "$folder/log") <(without_speeds "$folder/log10") | head -2)"
program=$train_gpt
for value in 0x10 1e1 1.5 abc 99999999999999999999 -1 "1 "; do
  expect_error "--seed $value" 2 "--seed: '$value' is not a whole number from 0 on that fits" "${common[@]}" --seed "$value"
done
expect_error "two signs" 2 "--ignore_index: '+-5' is not a whole number that fits" "${common[@]}" --ignore_index +-5
expect_error "a hexadecimal number" 2 "--ignore_index: '0x10' is not a whole number that fits" "${common[@]}" --ignore_index 0x10
expect_error "a number with a unit" 2 "--learning_rate" "${common[@]}" --learning_rate 1e-3x

# A mistyped name is shown with the nearest one.
expect_error "a mistyped flag" 2 "there is no option --learning_rte; did you mean '--learning_rate'?" "${common[@]}" --learning_rte 1e-3
expect_error "a mistyped flag with =" 2 "did you mean '--learning_rate'?" "${common[@]}" --learning_rte=1e-3
expect_error "a mistyped schedule" 2 "; did you mean 'cosine'?" "${common[@]}" --lr_schedule cosne
expect_error "a mistyped measure" 2 "there is no measure 'f1_marco'" "${common[@]}" --data "$folder/data" --eval_freq 1 --keep_best f1_marco
expect_error "the nearest measure" 2 "; did you mean 'f1_macro'?" "${common[@]}" --data "$folder/data" --eval_freq 1 --keep_best f1_marco
expect_error "a mistyped size" 2 "; did you mean 'gpt2-small (124M)'?" "${common[@]}" --model_size "gpt2-smal (124M)"
expect_error "a mistyped target" 2 "; did you mean 'attention'?" "${common[@]}" --trainable_layers lora --lora_targets atention
expect_error "a flag like no other" 2 "there is no option --xyzxyzxyz" "${common[@]}" --xyzxyzxyz
! grep -q 'did you mean' "$folder/err" || fail "a word that is nothing like it"
program=$evaluate
expect_error "a mistyped flag of another program" 2 "did you mean '--mistakes'?" --model_dir x --data y --mistake 3

program=$tokenize
expect_error "an empty text after =" 2 "--text=: an empty value is written --text ''" --tokenizer "$folder/tokenizer" --text=

for program in "$train_gpt" "$train_bert" "$train_logreg" "$predict" "$tokenize" "$prepare_imdb" "$prepare_spam" "$evaluate"; do
  name=$(basename "$program")
  [[ $("$program" --version) =~ ^$name\ of\ attune\ [0-9.]+(, commit [0-9a-f]{12}(-dirty)?)?$ ]] || fail "$name --version"
done

# Empty values of every option that takes one.
for program in "$train_gpt" "$train_bert" "$train_logreg" "$predict" "$tokenize" "$prepare_imdb" "$evaluate"; do
  flags=$("$program" --help | sed -n 's/^ *\(--[A-Za-z_]*\) .*\(TEXT\|INT\|UINT\|FLOAT\|\[PATH\]\).*/\1/p')
  [ "$(wc -l <<<"$flags")" -ge 4 ] || fail "$(basename "$program"): no flags found"
  for flag in $flags; do
    case $flag in --text | --text_pair) continue ;; esac
    expect_error "$(basename "$program") $flag ''" 2 "$flag: the value is empty" "$flag" ""
    expect_error "$(basename "$program") $flag=" 2 "$flag: the value is empty" "$flag=" --threads 1
  done
done

finish
