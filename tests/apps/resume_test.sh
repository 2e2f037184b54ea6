#!/usr/bin/env bash
# --checkpoint_every, --keep and --resume on the command line: a run that was left goes on to the same bytes, its log and its printed
# lines too; other flags and other data are refused by name; a damaged checkpoint is no checkpoint.
#
# usage: resume_test.sh TRAIN_GPT TOKENIZE PREPARE_IMDB
set -euo pipefail
train_gpt=$1 tokenize=$2 prepare_imdb=$3
program=$train_gpt
. "$(dirname "$0")/checks.sh"

invented_data 41 300
small_gpt2 300
common=(--data "$folder/data" --tokenizer "$folder/tokenizer" --weights random --config "$folder/config.json" --context_length 16 --dropout 0.1
  --trainable_layers all --eval_freq 3 --eval_iter 2 --num_epochs 2 --threads 1 --learning_rate 1e-3)
train() { "$train_gpt" "${common[@]}" "$@"; }
checkpoints() { ls "$folder/$1/checkpoints" | xargs; }

train --output "$folder/whole" --log_file "$folder/whole.log" >"$folder/whole.out"
expect "a run without checkpoints" "" "$(ls "$folder/whole" | grep checkpoints || true)"

# Saving changes nothing; of a finished run one checkpoint is left, or none.
train --output "$folder/saved" --log_file "$folder/saved.log" --checkpoint_every 3 --keep 3 >/dev/null
cmp "$folder/whole/model.safetensors" "$folder/saved/model.safetensors" || fail "saving checkpoints changes the model"
expect "checkpoints of a finished run" "latest step-00000010.safetensors" "$(checkpoints saved)"
train --output "$folder/none" --checkpoint_every 3 --keep 0 >/dev/null
expect "checkpoints of a finished run that keeps none" "" "$(ls "$folder/none" | grep checkpoints || true)"

# Ctrl-C leaves a checkpoint; going on ends with the bytes of the run that was not left.
for every in 0 4; do
  "$train_gpt" "${common[@]}" --output "$folder/cut$every" --log_file "$folder/cut$every.log" --num_epochs 100000 --checkpoint_every $every >"$folder/out" &
  pid=$!
  until [ -s "$folder/cut$every.log" ]; do sleep 0.1; done
  kill -INT $pid
  code=0
  wait $pid || code=$?
  expect "exit code after Ctrl-C" 130 "$code"
  grep -q -- "--resume goes on with it" "$folder/out" || fail "Ctrl-C does not say how to go on"
  step=$(sed 's/step-0*//; s/\..*//' "$folder/cut$every/checkpoints/latest")
  expect_error "a new run over one that is not finished" 1 "has the checkpoints of a run that is not finished ($step batches are done)" \
    "${common[@]}" --output "$folder/cut$every"
  train --output "$folder/cut$every" --log_file "$folder/cut$every.log" --num_epochs 100000 --resume --max_steps $((step + 7)) \
    >"$folder/cut.out"
  grep -q "^Resumed after $step of $((step + 7)) batches from " "$folder/cut.out" || fail "nothing is said about going on: $(cat "$folder/cut.out")"
  train --output "$folder/uncut$every" --log_file "$folder/uncut$every.log" --num_epochs 100000 --max_steps $((step + 7)) >/dev/null
  cmp "$folder/cut$every/model.safetensors" "$folder/uncut$every/model.safetensors" || fail "going on after Ctrl-C ends elsewhere"
  expect "the log of a run that was left" "" "$(diff <(without_speeds "$folder/cut$every.log") <(without_speeds "$folder/uncut$every.log") | head -3)"
done

# From a file and from a folder; a finished run only evaluates, or is made longer.
train --output "$folder/parts" --log_file "$folder/parts.log" --max_steps 5 --checkpoint_every 2 --no_final_evaluation >/dev/null
cp -r "$folder/parts/checkpoints" "$folder/moved"
train --output "$folder/parts" --log_file "$folder/parts.log" --resume "$folder/parts/checkpoints/step-00000005.safetensors" >"$folder/parts.out"
cmp "$folder/whole/model.safetensors" "$folder/parts/model.safetensors" || fail "a longer run ends elsewhere"
expect "the log of a longer run" "" "$(diff <(without_speeds "$folder/parts.log") <(without_speeds "$folder/whole.log") | head -3)"
expect "the closing lines of a longer run" "$(grep -E '^(Test|Lowest)' "$folder/whole.out")" "$(grep -E '^(Test|Lowest)' "$folder/parts.out")"
train --output "$folder/elsewhere" --resume "$folder/moved" >/dev/null
cmp "$folder/whole/model.safetensors" "$folder/elsewhere/model.safetensors" || fail "from a folder a run ends elsewhere"
# A new log may begin with the line of an epoch, which has five batches. Another run replaces it, as any log.
killed_after_checkpoint "$folder/ends" "$train_gpt" "${common[@]}" --output "$folder/ends" --num_epochs 100000 --checkpoint_every 5
step=$(sed 's/step-0*//; s/\..*//' "$folder/ends/checkpoints/latest")
train --output "$folder/ends" --log_file "$folder/epoch.log" --num_epochs 100000 --resume --max_steps $((step + 1)) --no_final_evaluation >/dev/null
expect "how the log begins" '{"epoch":' "$(head -c 9 "$folder/epoch.log")"
train --log_file "$folder/epoch.log" --max_steps 1 --no_final_evaluation >/dev/null 2>"$folder/err" || fail "a log that begins with an epoch: $(cat "$folder/err")"
train --output "$folder/saved" --log_file "$folder/saved.log" --resume >"$folder/again.out"
expect "the lines of a finished run" "$(grep accuracy "$folder/whole.out" | tail -3)" "$(grep accuracy "$folder/again.out")"
expect "the log of a finished run" "" "$(diff <(without_speeds "$folder/saved.log") <(without_speeds "$folder/whole.log") | head -3)"

# Whatever decides a number must be the same. Numbers may be spelled in other ways, files may have moved.
cp -r "$folder/data" "$folder/data2"
train --output "$folder/elsewhere" --resume "$folder/moved" --learning_rate 0.001 --data "$folder/data2" --threads 2 --no_graphs >/dev/null ||
  fail "flags that may change are refused"
from=("${common[@]}" --resume "$folder/moved")
refused() { expect_error "another $1" 1 "$1 is $3, but the checkpoint was made with $2" "${from[@]}" "$1" "$3"; }
refused --learning_rate 1e-3 1e-4
refused --batch_size 8 4
refused --seed 123 5
refused --eval_freq 3 2
refused --eval_iter 2 3
refused --dropout 0.1 0.2
refused --lr_schedule constant linear
refused --warmup_steps 0 3
refused --context_length 16 12
refused --max_grad_norm 0 1
expect_error "a flag more" 1 "--average_embeddings is given, but the checkpoint was made without it" "${from[@]}" --average_embeddings
expect_error "an option more" 1 "--trainable_token_pos first is given, but the checkpoint was made without it" "${from[@]}" --trainable_token_pos first
expect_error "fewer batches" 1 "the checkpoint was made after 5 batches, but this run has only 3" "${from[@]}" --max_steps 3
sed -i '3s/,[01]$/,0/; 4s/,[01]$/,0/; 5s/,[01]$/,1/; 3s/the /a /' "$folder/data2/train.csv"
cmp -s "$folder/data/train.csv" "$folder/data2/train.csv" && fail "the other data are the same"
train --output "$folder/elsewhere" --resume "$folder/moved" --no_cache >/dev/null || fail "the same texts without the cache are refused"
for cache in --cache="$folder/cache" --cache="$folder/cache" --no_cache; do  # made, read from the cache, not stored
  expect_error "other examples with $cache" 1 "the training examples are not those that the checkpoint was made with: SHA-256 " "${from[@]}" --data "$folder/data2" $cache
done
sed 's/"n_head": 2/"n_head": 4/' "$folder/config.json" >"$folder/heads.json"
expect_error "another model" 1 "the config and input form of the model are not those" "${from[@]}" --config "$folder/heads.json"
train --output "$folder/linear" --lr_schedule linear --max_steps 4 --checkpoint_every 2 --no_final_evaluation >/dev/null
expect_error "a longer run of another schedule" 1 "--max_steps is 5, but the checkpoint was made with 4" "${common[@]}" \
  --lr_schedule linear --output "$folder/linear" --resume --max_steps 5
train --output "$folder/root" --lr_schedule inverse_sqrt --max_steps 4 --checkpoint_every 2 --no_final_evaluation >/dev/null
train --output "$folder/root" --lr_schedule inverse_sqrt --max_steps 5 --no_final_evaluation --resume >/dev/null || fail "a longer run of a schedule without an end"
train --output "$folder/share" --warmup_ratio 0.5 --max_steps 4 --checkpoint_every 2 --no_final_evaluation >/dev/null
expect_error "a longer run with a warm-up that is a share" 1 "--max_steps is 5, but the checkpoint was made with 4" "${common[@]}" \
  --warmup_ratio 0.5 --output "$folder/share" --resume --max_steps 5

# Nothing there, or not what was written.
expect_error "nothing to go on with" 1 "$folder/whole: no checkpoint has been saved there" "${common[@]}" --output "$folder/whole" --resume
expect_error "no such folder" 1 "$folder/nowhere: there is no such checkpoint" "${common[@]}" --resume "$folder/nowhere"
expect_error "no folder at all" 2 "--resume needs a folder or file, or --output" "${common[@]}" --resume
expect_error "checkpoints without a folder" 2 "--checkpoint_every needs --output" "${common[@]}" --checkpoint_every 5
expect_error "a model instead" 1 "whole/model.safetensors: is no checkpoint of a run" "${common[@]}" --resume "$folder/whole/model.safetensors"
for length in 10 100000; do
  head -c $length /dev/zero >"$folder/other.log"
  expect_error "another log" 1 "; name another" "${from[@]}" --log_file "$folder/other.log"
done
expect_error "a new run over a file of the user" 1 "--log_file $folder/other.log: attune did not write this file" "${common[@]}" --log_file "$folder/other.log"
expect "a file of the user" 100000 "$(wc -c <"$folder/other.log")"
expect_error "the log of another run" 1 "cut0.log: is not the log that the checkpoint was made with: the SHA-256 of its first " "${from[@]}" --log_file "$folder/cut0.log"
# A log that has lost its end, in the middle of a line: the run goes on, and says what is missing.
size=$(grep -b '^{"step":3,"loss"' "$folder/whole.log" | cut -d: -f1)
head -c $((size + 9)) "$folder/whole.log" >"$folder/lost.log"
train --output "$folder/lost" --log_file "$folder/lost.log" --resume "$folder/moved" >/dev/null 2>"$folder/err" || fail "a log without its end: $(cat "$folder/err")"
expect "a log without its end" "warning: $folder/lost.log: the lines of the steps 3 to 4 are missing" "$(grep lines "$folder/err")"
expect "the lines of a log without its end" "0 1 2 5 6 7 8 9" "$(sed -nE 's/^\{"step":([0-9]+),"loss".*/\1/p' "$folder/lost.log" | xargs)"
file=$folder/moved/step-00000005.safetensors
size=$(wc -c <"$file")
cp "$file" "$folder/good"
head -c $((size / 2)) "$folder/good" >"$file"
expect_error "a truncated checkpoint" 1 "step-00000005.safetensors: not a valid safetensors file" "${from[@]}"
for at in $((size - 1)) $((size / 2)) 20 3000; do
  cp "$folder/good" "$file"
  printf "\\$(printf '%03o' $(($(od -An -t u1 -j "$at" -N 1 "$file") ^ 4)))" | dd of="$file" bs=1 seek="$at" conv=notrunc status=none
  expect_error "a flipped bit at $at" 1 "step-00000005.safetensors: " "${from[@]}"
done
rm "$file"
expect_error "a checkpoint that is gone" 1 "latest: names step-00000005.safetensors, which is not there" "${from[@]}"

finish
