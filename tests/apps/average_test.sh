#!/usr/bin/env bash
# --ema_decay on the command line: training does not notice the average; evaluations and the saved model are of it; a run that was
# killed, or is repeated from run.json, has the same bytes; and what is said about mistakes.
#
# usage: average_test.sh TRAIN_GPT TOKENIZE PREPARE_IMDB EVALUATE
set -euo pipefail
train_gpt=$1 tokenize=$2 prepare_imdb=$3 evaluate=$4
program=$train_gpt
. "$(dirname "$0")/checks.sh"

invented_data 61 300
small_gpt2 300
common=(--data "$folder/data" --tokenizer "$folder/tokenizer" --weights random --config "$folder/config.json" --context_length 16 --dropout 0.1
  --trainable_layers all --eval_freq 3 --eval_iter 2 --num_epochs 2 --threads 1 --learning_rate 1e-2 --average_embeddings)
train() { "$train_gpt" "${common[@]}" --output "$folder/$1" --log_file "$folder/$1.log" "${@:2}" >"$folder/$1.out" 2>"$folder/$1.err"; }
same() {
  cmp "$folder/$1/model.safetensors" "$folder/$2/model.safetensors" || fail "$1 is not $2"
  expect "the log of $1 and $2" "" "$(diff <(without_speeds "$folder/$1.log") <(without_speeds "$folder/$2.log") | head -3)"
}

train plain
train average --ema_decay 0.9
expect "the steps" "$(without_speeds "$folder/plain.log" | grep learning_rate)" "$(without_speeds "$folder/average.log" | grep learning_rate)"
if [ "$(grep val_loss "$folder/plain.log")" = "$(grep val_loss "$folder/average.log")" ]; then fail "evaluations are of the weights"; fi
if cmp -s "$folder/plain/model.safetensors" "$folder/average/model.safetensors"; then fail "the saved model has the weights"; fi
expect "the saved model is the one that was evaluated" "$(sed -nE 's/.*"split": *"test".*"log_loss": *([0-9.]{6}).*/\1/p' "$folder/average.log")" \
  "$("$evaluate" --model_dir "$folder/average" --data "$folder/data/test.csv" --json | sed -nE 's/.*"log_loss": *([0-9.]{6}).*/\1/p' | head -1)"

# Interrupted, killed and repeated runs; with the best model too.
for best in "" loss; do
  name=average$best
  with=(--ema_decay 0.9)
  if [ -n "$best" ]; then with+=(--keep_best "$best"); fi
  train "$name" "${with[@]}"
  train "$name-saved" "${with[@]}" --checkpoint_every 4 --keep 100
  same "$name" "$name-saved"
  killed_after_checkpoint "$folder/$name-cut" \
    "$train_gpt" "${common[@]}" --output "$folder/$name-cut" --log_file "$folder/$name-cut.log" "${with[@]}" --checkpoint_every 4
  train "$name-cut" "${with[@]}" --resume --checkpoint_every 4
  same "$name" "$name-cut"
  "$train_gpt" --options "$folder/$name/run.json" --output "$folder/$name-repeated" --no_final_evaluation >/dev/null
  cmp "$folder/$name/model.safetensors" "$folder/$name-repeated/model.safetensors" || fail "run.json does not repeat $name"
done
expect_error "resumed with another decay" 1 "--ema_decay is 0.8, but the checkpoint was made with 0.9" "${common[@]}" --ema_decay 0.8 \
  --output "$folder/average-saved" --resume
expect_error "resumed without" 1 "--ema_decay is 0, but the checkpoint was made with 0.9" "${common[@]}" --output "$folder/average-saved" --resume

# Low-rank changes.
train lora --trainable_layers lora
train lora-average --trainable_layers lora --ema_decay 0.9
if cmp -s "$folder/lora/model.safetensors" "$folder/lora-average/model.safetensors"; then fail "low-rank changes are not averaged"; fi
for value in 1 1.5 -0.1 x nan; do expect_error "--ema_decay $value" 2 "--ema_decay" "${common[@]}" --ema_decay $value; done

finish
