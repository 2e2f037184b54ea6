#!/usr/bin/env bash
# --keep_best and --patience on the command line: the saved model is that of the best evaluation, byte by byte; the run stops when its
# patience ends; a run that was left goes on to the same model and log; and what is said about mistakes.
#
# usage: keep_best_test.sh TRAIN_GPT TOKENIZE PREPARE_IMDB
set -euo pipefail
train_gpt=$1 tokenize=$2 prepare_imdb=$3
program=$train_gpt
. "$(dirname "$0")/checks.sh"

invented_data 41 300
small_gpt2 300
common=(--data "$folder/data" --tokenizer "$folder/tokenizer" --weights random --config "$folder/config.json" --context_length 16
  --trainable_layers all --eval_freq 2 --eval_iter 2 --num_epochs 4 --threads 1 --learning_rate 3e-2)
train() { "$train_gpt" "${common[@]}" --output "$folder/$1" --log_file "$folder/$1.log" "${@:2}" >"$folder/$1.out" 2>"$folder/$1.err"; }
# The steps of a log with their values of the measure; and the step of the smallest.
values() { sed -n 's/.*"step": *\([0-9]*\),.*"keep_best": *\([^,}]*\).*/\1 \2/p' "$folder/$1.log"; }
smallest() { values "$1" | sort -s -g -k2 | head -1 | cut -d' ' -f1; }

train plain --no_final_evaluation
train loss --keep_best loss
best=$(smallest loss)
last=$(values loss | tail -1 | cut -d' ' -f1)
if [ "$best" -le 0 ] || [ "$best" -ge "$last" ]; then fail "the best evaluation, at step $best, is not in the middle of the run"; fi
train until --max_steps $((best + 1)) --no_final_evaluation
cmp "$folder/loss/model.safetensors" "$folder/until/model.safetensors" || fail "the saved model is not that of step $best"
if cmp -s "$folder/loss/model.safetensors" "$folder/plain/model.safetensors"; then fail "the saved model is the last one"; fi
grep -qE "^Best validation loss: [0-9.]+, at step $(printf %06d "$best"); the model is the one of that step\.$" "$folder/loss.out" ||
  fail "the step of the best model is not said: $(cat "$folder/loss.out")"
value=$(values loss | awk -v best="$best" '$1 == best {print $2}')
expect "the log of the best step" "{\"best_step\":$best,\"measure\":\"loss\",\"value\":$value}" "$(grep best_step "$folder/loss.log" | tr -d ' ')"
# The loss of the final evaluation is that of the best model.
expect "the validation split at the end" "$value" "$(sed -n 's/.*"split": *"validation".*"loss": *\([^,}]*\)}.*/\1/p' "$folder/loss.log")"
# Apart from what it adds, the run is the plain one.
expect "the lines of the run" "$(grep '^Ep \|^Training accuracy.*Valid\|^Lowest' "$folder/plain.out")" \
  "$(grep '^Ep \|^Training accuracy.*Valid\|^Lowest' "$folder/loss.out" | sed 's/, whole validation split: .*//')"
expect "the log of the run" "$(without_speeds "$folder/plain.log")" \
  "$(without_speeds "$folder/loss.log" | grep -v 'best_step\|"split"' | sed 's/, *"keep_best": *[^}]*//')"

# Patience. The steps that are not the best follow each other.
for patience in 1 2; do
  train "patience$patience" --keep_best loss --patience $patience --no_final_evaluation
  stop=$(values loss | awk -v patience=$patience 'NR == 1 || $2 < best {best = $2; since = 0; next} ++since == patience {print $1; exit}')
  [ -n "$stop" ] || fail "the run never runs out of $patience"
  expect "the last step with patience $patience" "$stop" "$(values "patience$patience" | tail -1 | cut -d' ' -f1)"
  expect "the steps with patience $patience" $((stop + 1)) "$(grep -c learning_rate "$folder/patience$patience.log")"
  expect "the steps of run.json with patience $patience" $((stop + 1)) "$(sed -n 's/.*"steps": *\([0-9]*\).*/\1/p' "$folder/patience$patience/run.json")"
  grep -q "^Stopped early: $patience evaluations were not the best\.$" "$folder/patience$patience.out" || fail "nothing is said about early stopping"
done

# A measure that is larger the better, of one class too.
for measure in f1_macro roc_auc f1.LABEL_1; do
  train "$measure" --keep_best $measure --no_final_evaluation
  largest=$(values "$measure" | sort -s -g -r -k2 | head -1 | cut -d' ' -f1)
  expect "the largest $measure" "$largest" "$(sed -n 's/.*"best_step": *\([0-9]*\),.*/\1/p' "$folder/$measure.log")"
done

"$train_gpt" --options "$folder/patience1/run.json" --output "$folder/repeated" >/dev/null || fail "run.json cannot be repeated"
cmp "$folder/patience1/model.safetensors" "$folder/repeated/model.safetensors" || fail "run.json does not repeat --keep_best"

# Left by a kill after a checkpoint, or by Ctrl-C: the same model, the same log.
train saved --keep_best loss --checkpoint_every 3 --keep 100
cmp "$folder/loss/model.safetensors" "$folder/saved/model.safetensors" || fail "checkpoints change the best model"
for step in 3 6 9 12; do
  train long --keep_best loss --max_steps $step --checkpoint_every $step --no_final_evaluation
  train long --keep_best loss --resume
  cmp "$folder/loss/model.safetensors" "$folder/long/model.safetensors" || fail "going on after $step batches ends with another model"
  expect "the log of a run that was left after $step batches" "" "$(diff <(without_speeds "$folder/long.log") <(without_speeds "$folder/loss.log") | head -3)"
  rm -r "$folder/long" "$folder/long.log"
done
train stopped --keep_best loss --patience 1 --checkpoint_every 1 --no_final_evaluation
train stopped --keep_best loss --patience 1 --checkpoint_every 1 --no_final_evaluation --resume
expect "a stopped run stays stopped" "" "$(diff <(without_speeds "$folder/stopped.log") <(without_speeds "$folder/patience1.log") | head -3)"
cmp "$folder/stopped/model.safetensors" "$folder/patience1/model.safetensors" || fail "a stopped run that is resumed has another model"
expect_error "another measure" 1 "--keep_best is mcc, but the checkpoint was made with loss" "${common[@]}" --keep_best mcc --resume "$folder/stopped" --patience 1
expect_error "no measure" 1 "--keep_best is not given, but the checkpoint was made with --keep_best loss" "${common[@]}" --resume "$folder/stopped"
expect_error "another patience" 1 "--patience is 2, but the checkpoint was made with 1" "${common[@]}" --keep_best loss --resume "$folder/stopped" --patience 2
"$train_gpt" "${common[@]}" --num_epochs 100000 --keep_best loss --output "$folder/cut" --log_file "$folder/cut.log" >"$folder/cut.out" &
pid=$!
until [ -s "$folder/cut.log" ] && [ "$(grep -c keep_best "$folder/cut.log")" -ge 12 ]; do sleep 0.1; done
kill -INT $pid
code=0
wait $pid || code=$?
expect "exit code after Ctrl-C" 130 "$code"
cut=$(smallest cut)
expect "the best model of an interrupted run" "at step $(printf %06d "$cut")" "$(grep -o 'at step [0-9]*; the model' "$folder/cut.out" | sed 's/;.*//')"
train cut_until --max_steps $((cut + 1)) --num_epochs 100000 --no_final_evaluation
cmp "$folder/cut/interrupted/model.safetensors" "$folder/cut_until/model.safetensors" || fail "an interrupted run saves another model than the best"

# Mistakes.
expect_error "patience alone" 2 "--patience requires --keep_best" "${common[@]}" --patience 3
expect_error "negative patience" 2 "--patience: must be from 0" "${common[@]}" --keep_best loss --patience -1
expect_error "no evaluations" 2 "--keep_best chooses among evaluations, and --eval_freq 0 makes none" "${common[@]}" --keep_best loss --eval_freq 0
expect_error "an unknown measure" 2 "--keep_best: there is no measure 'f1'; the task has loss, accuracy, balanced_accuracy, f1_macro, f1_micro, f1_weighted, mcc, log_loss, brier, ece, roc_auc, average_precision, and those of one output, as precision.LABEL_0" \
  "${common[@]}" --keep_best f1
expect_error "an unknown measure of numbers" 2 "--keep_best: there is no measure 'accuracy'; the task has loss, mse, mae, r2, pearson, spearman" \
  "${common[@]}" --task regression --keep_best accuracy
# A measure that no evaluation defines: validation texts of one class.
sed -i '2,$s/,[01]$/,1/' "$folder/data/validation.csv"
train undefined --keep_best roc_auc --max_steps 3 --no_final_evaluation
expect "an undefined measure" "warning: --keep_best roc_auc was undefined at every evaluation; the model is the last one" "$(cat "$folder/undefined.err")"
finish
