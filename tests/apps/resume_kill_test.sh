#!/usr/bin/env bash
# A run that is killed (kill -9) at random moments, many of them inside of a save, and gone on with each time, ends with the bytes of one
# that was not: model, log and last checkpoint. A checkpoint is saved after every batch, so that saving takes a good part of the time.
#
# usage: resume_kill_test.sh KILLS TRAIN_GPT TOKENIZE PREPARE_IMDB [FLAG...]     flags are added to every run
set -euo pipefail
kills=$1 train_gpt=$2 tokenize=$3 prepare_imdb=$4
shift 4
. "$(dirname "$0")/checks.sh"

invented_data 41 300
echo '{"model_type": "gpt2", "vocab_size": 300, "n_positions": 24, "n_embd": 48, "n_layer": 2, "n_head": 2}' >"$folder/config.json"
common=(--data "$folder/data" --tokenizer "$folder/tokenizer" --weights random --config "$folder/config.json" --context_length 16 --dropout 0.1
  --trainable_layers all --eval_freq 3 --eval_iter 2 --num_epochs 4 --accumulation_steps 2 --max_grad_norm 1 --lr_schedule cosine --threads 1
  --learning_rate 1e-3 "$@")
cut=(--output "$folder/cut" --log_file "$folder/cut.log" --checkpoint_every 1)
now() { date +%s%N; }
RANDOM=${SEED:-7}

begin=$(now)
"$train_gpt" "${common[@]}" --output "$folder/whole" --log_file "$folder/whole.log" >/dev/null
took=$(($(now) - begin))

killed=0 saving=0 whole_runs=0 seen=""
resume=()
while [ "$killed" -lt "$kills" ]; do
  "$train_gpt" "${common[@]}" "${cut[@]}" "${resume[@]}" >"$folder/out" 2>"$folder/err" &
  pid=$!
  # Anywhere from the beginning of the process to past its end.
  nanoseconds=$((took * (RANDOM * 32768 + RANDOM) / 1073741824 * 13 / 10))
  sleep "$(printf '%d.%09d' $((nanoseconds / 1000000000)) $((nanoseconds % 1000000000)))"
  if kill -KILL "$pid" 2>/dev/null && { wait "$pid" 2>/dev/null || [ $? -eq 137 ]; } && [ -z "$(grep '^Test accuracy' "$folder/out")" ]; then
    killed=$((killed + 1))
    half=$(find "$folder/cut" -name '*.attune-*' 2>/dev/null | sort || true)  # half-written files; those of earlier kills may be there still
    [ -z "$(comm -13 <(echo "$seen") <(echo "$half"))" ] || saving=$((saving + 1))
    seen=$half
  fi
  wait "$pid" 2>/dev/null || true
  [ ! -s "$folder/err" ] || { fail "after $killed kills: $(cat "$folder/err")"; break; }
  resume=()
  if [ -e "$folder/cut/checkpoints/latest" ]; then
    resume=(--resume)
    file=$folder/cut/checkpoints/$(cat "$folder/cut/checkpoints/latest")
    [ -s "$file" ] || fail "latest names a file that is not there"
  fi
  # At the end: compare, and begin anew.
  if grep -q '^Test accuracy' "$folder/out"; then
    whole_runs=$((whole_runs + 1))
    cmp "$folder/whole/model.safetensors" "$folder/cut/model.safetensors" || fail "the model of run $whole_runs differs"
    expect "the log of run $whole_runs" "" "$(diff <(without_speeds "$folder/cut.log") <(without_speeds "$folder/whole.log") | head -3)"
    rm -rf "$folder/cut" "$folder/cut.log"
    resume=()
  fi
done
"$train_gpt" "${common[@]}" "${cut[@]}" "${resume[@]}" >/dev/null
cmp "$folder/whole/model.safetensors" "$folder/cut/model.safetensors" || fail "the model of the last run differs"
expect "the log of the last run" "" "$(diff <(without_speeds "$folder/cut.log") <(without_speeds "$folder/whole.log") | head -3)"
expect "leftovers" "" "$(find "$folder/cut" -name '*.attune-*')"
echo "$killed kills, $saving of them inside of a save, over $((whole_runs + 1)) whole runs of $((took / 1000000)) ms"
finish
