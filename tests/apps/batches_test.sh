#!/usr/bin/env bash
# --group_by_length and --batch_tokens on the command line: the batches are others, equal runs have equal bytes, also if
# they were killed and resumed or are repeated from run.json; and what is said about mistakes.
#
# usage: batches_test.sh TRAIN_GPT TRAIN_BERT TOKENIZE PREPARE_IMDB
set -euo pipefail
train_gpt=$1 train_bert=$2 tokenize=$3 prepare_imdb=$4
program=$train_bert
. "$(dirname "$0")/checks.sh"

invented_data 61 300
small_bert "$folder/bert"
common=(--data "$folder/data" --model_dir "$folder/bert" --context_length 24 --threads 1 --eval_freq 4 --eval_iter 2 --num_epochs 2
  --learning_rate 1e-3 --dropout 0.1)
train() { "$train_bert" "${common[@]}" --output "$folder/$1" --log_file "$folder/$1.log" "${@:2}" >"$folder/$1.out" 2>"$folder/$1.err"; }
differ() { if cmp -s "$folder/$1/model.safetensors" "$folder/$2/model.safetensors"; then fail "$1 is $2"; fi; }
same() {
  cmp "$folder/$1/model.safetensors" "$folder/$2/model.safetensors" || fail "$1 is not $2"
  expect "the log of $1 and $2" "" "$(diff <(without_speeds "$folder/$1.log") <(without_speeds "$folder/$2.log") | head -3)"
}
# check_run NAME OPTION...: a run with these options, left after half an epoch and resumed, and repeated from run.json.
check_run() {
  local name=$1
  shift
  train "$name" "$@"
  train "$name-saved" "$@" --checkpoint_every 5 --keep 100
  same "$name" "$name-saved"
  "$train_bert" "${common[@]}" --output "$folder/$name-resumed" --resume "$folder/$name-saved/checkpoints" "$@" >/dev/null
  cmp "$folder/$name/model.safetensors" "$folder/$name-resumed/model.safetensors" || fail "$name: the finished run changes"
  killed_after_checkpoint "$folder/$name-cut" \
    "$train_bert" "${common[@]}" --output "$folder/$name-cut" --log_file "$folder/$name-cut.log" "$@" --checkpoint_every 5
  train "$name-cut" "$@" --resume --checkpoint_every 5
  same "$name" "$name-cut"
  "$train_bert" --options "$folder/$name/run.json" --output "$folder/$name-repeated" --no_final_evaluation >/dev/null
  cmp "$folder/$name/model.safetensors" "$folder/$name-repeated/model.safetensors" || fail "$name: run.json does not repeat it"
}

train plain
check_run grouped --group_by_length
differ grouped plain
expect "as many steps" "$(grep -c '"learning_rate"' "$folder/plain.log")" "$(grep -c '"learning_rate"' "$folder/grouped.log")"
expect_error "a resumed run with other batches" 1 "--group_by_length is not given, but the checkpoint was made with it" \
  "${common[@]}" --output "$folder/grouped-saved" --resume
expect "no warning" "" "$(grep -i length "$folder/grouped.err" || true)"
train padded --group_by_length --no_packing --max_steps 1
grep -q "^warning: --group_by_length saves no work: every text is padded to 24 tokens$" "$folder/padded.err" || fail "nothing is said about padding"

# steps NAME: batches of a run, each with its tokens at most.
steps() { grep -c '"learning_rate"' "$folder/$1.log"; }
check_run tokens --batch_tokens 60 --lr_schedule linear
check_run tokens-grouped --batch_tokens 60 --group_by_length --accumulation_steps 2
differ tokens plain
differ tokens tokens-grouped
[ "$(steps tokens)" -gt "$(steps plain)" ] || fail "batches of 60 tokens are not more than those of 8 texts"
"$train_bert" "${common[@]}" --batch_tokens 60 --max_steps 5 --checkpoint_every 5 --output "$folder/part" >/dev/null
"$train_bert" "${common[@]}" --batch_tokens 60 --resume --output "$folder/part" >"$folder/out"
grep -q "^Resumed after 5 of $(steps tokens) batches" "$folder/out" || fail "the number of batches is wrong: $(grep Resumed "$folder/out")"
last=$(sed -n 's/.*"learning_rate": *\([^,]*\),.*/\1/p' "$folder/tokens.log" | tail -1)
expect "the last learning rate" 1 "$(awk -v last="$last" -v steps="$(steps tokens)" 'BEGIN {d = last * steps / 1e-3 - 1; print (d < 1e-9 && d > -1e-9)}')"
# A batch has all texts of the training split: one step in an epoch, however they are measured.
train all --batch_size 60 --num_epochs 1
train all-tokens --batch_tokens 100000 --num_epochs 1
expect "one batch" "1 1" "$(steps all) $(steps all-tokens)"
# Several batches in one step have the gradient of one.
norm() { sed -n 's/.*"grad_norm": *\([0-9][^,]*\),.*/\1/p' "$folder/$1.log" | xargs; }
train one --batch_tokens 100000 --num_epochs 1 --dropout 0
train several --batch_tokens 150 --accumulation_steps 100 --num_epochs 1 --dropout 0
[ "$(steps several)" -gt 3 ] || fail "there are only $(steps several) batches of 150 tokens"
expect "the gradient of $(steps several) batches" 1 "$(awk -v a="$(norm one)" -v b="$(norm several)" 'BEGIN {print (a / b < 1.00001 && a / b > 0.99999)}')"
expect_error "texts and tokens" 2 "--batch_size excludes --batch_tokens" "${common[@]}" --batch_size 8 --batch_tokens 60
for value in 0 -1 x 1.5; do expect_error "--batch_tokens $value" 2 "--batch_tokens" "${common[@]}" --batch_tokens $value; done

# GPT-2: padding counts; without padding texts are packed.
program=$train_gpt
small_gpt2 300
gpt=(--data "$folder/data" --tokenizer "$folder/tokenizer" --weights random --config "$folder/config.json" --context_length 16 --num_epochs 1 --eval_freq 0
  --trainable_layers all --threads 1 --no_final_evaluation)
rows=$(grep -c . "$folder/data/train.csv")
"$train_gpt" "${gpt[@]}" --batch_tokens 65 --log_file "$folder/gpt.log" >/dev/null
expect "padded texts of 16 tokens, four in 65" $(((rows - 1 + 3) / 4)) "$(steps gpt)"
"$train_gpt" "${gpt[@]}" --batch_tokens 65 --no_padding --log_file "$folder/gpt-packed.log" >/dev/null
[ "$(steps gpt-packed)" -ne "$(steps gpt)" ] || fail "--no_padding does not count without padding"
expect_error "--no_padding" 2 "--no_padding needs --batch_size 1 or --batch_tokens" "${gpt[@]}" --no_padding

finish
