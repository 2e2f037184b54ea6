#!/usr/bin/env bash
# --group_by_length on the command line: the batches are others, equal runs have equal bytes, also if they were left and
# resumed or are repeated from run.json; and what is said about mistakes.
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
# The log without the speeds.
told() { sed 's/, *"tokens_per_second": *[^}]*//' "$1"; }
differ() { if cmp -s "$folder/$1/model.safetensors" "$folder/$2/model.safetensors"; then fail "$1 is $2"; fi; }
same() {
  cmp "$folder/$1/model.safetensors" "$folder/$2/model.safetensors" || fail "$1 is not $2"
  expect "the log of $1 and $2" "" "$(diff <(told "$folder/$1.log") <(told "$folder/$2.log") | head -3)"
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
  "$train_bert" "${common[@]}" --output "$folder/$name-cut" --log_file "$folder/$name-cut.log" "$@" --checkpoint_every 5 >/dev/null &
  local pid=$!
  until [ -e "$folder/$name-cut/checkpoints/latest" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.01; done
  kill -KILL $pid 2>/dev/null || true
  wait $pid 2>/dev/null || true
  train "$name-cut" "$@" --resume --checkpoint_every 5
  same "$name" "$name-cut"
  "$train_bert" --options "$folder/$name/run.json" --output "$folder/$name-repeated" --no_final_evaluation >/dev/null
  cmp "$folder/$name/model.safetensors" "$folder/$name-repeated/model.safetensors" || fail "$name: run.json does not repeat it"
}

train plain
check_run grouped --group_by_length
differ grouped plain
expect "as many steps" "$(grep -c '"learning_rate"' "$folder/plain.log")" "$(grep -c '"learning_rate"' "$folder/grouped.log")"
expect_error "a resumed run with other batches" 1 "--group_by_length is not given, but the checkpoint was made with true" \
  "${common[@]}" --output "$folder/grouped-saved" --resume
expect "no warning" "" "$(grep -i length "$folder/grouped.err" || true)"
train padded --group_by_length --no_packing --max_steps 1
grep -q "^warning: --group_by_length saves no work: every text is padded to 24 tokens$" "$folder/padded.err" || fail "padding is not told"

finish
