#!/usr/bin/env bash
# Signals, closed pipes and limits do not lose a run: the first signal is answered at once, the second does not lose the save, the model of
# an interrupted run does not replace a finished one; and what a save needs is checked before the run.
#
# usage: interrupt_test.sh TRAIN_GPT TRAIN_LOGREG PREDICT TOKENIZE PREPARE_IMDB
set -euo pipefail
train_gpt=$1 train_logreg=$2 predict=$3 tokenize=$4 prepare_imdb=$5
program=$train_gpt
. "$(dirname "$0")/checks.sh"

invented_data 41 300
small_gpt2 300
common=(--data "$folder/data" --tokenizer "$folder/tokenizer" --weights random --config "$folder/config.json" --context_length 16 --threads 1
  --eval_freq 0 --no_final_evaluation)
ask() { "$predict" --model_dir "$folder/$1" --text "It never lost me." --format csv; }
# begin FOLDER: a long run into it; returns when it trains.
begin() {
  rm -f "$folder/log"
  "$train_gpt" "${common[@]}" --num_epochs 100000 --output "$folder/$1" --log_file "$folder/log" "${@:2}" >"$folder/out" 2>"$folder/err" & pid=$!
  until [ -s "$folder/log" ]; do sleep 0.05; done
}
end() {
  local code=0
  wait "$pid" || code=$?
  expect "$1, exit code" 130 "$code"
  expect "$1, place" "Saved to $folder/$2/interrupted" "$(grep '^Saved to' "$folder/out" || true)"
  ask "$2/interrupted" >/dev/null || fail "$1: the model cannot be read"
}

# The model of a finished run stays; the run that goes on replaces it when it ends.
"$train_gpt" "${common[@]}" --max_steps 1 --output "$folder/model" >/dev/null
ask model >"$folder/finished"
begin model
kill -INT $pid
end "Ctrl-C" model
expect "the answer to Ctrl-C" "interrupted: the run ends after the current step and saves a checkpoint in $folder/model and its model in $folder/model/interrupted" "$(grep . "$folder/err")"
ask model | cmp - "$folder/finished" || fail "an interrupted run replaces the model of a finished one"
step=$(sed 's/step-0*//; s/\..*//' "$folder/model/checkpoints/latest")
"$train_gpt" "${common[@]}" --num_epochs 100000 --max_steps $((step + 2)) --output "$folder/model" --resume >/dev/null
ask model | cmp -s - "$folder/finished" && fail "a finished run does not replace the model"
expect "the model of the interrupted run after --resume" "" "$(ls "$folder/model" | grep interrupted || true)"

for signals in TERM HUP "INT INT" "INT HUP"; do
  rm -rf "$folder/other"
  begin other
  for signal in $signals; do kill -"$signal" $pid 2>/dev/null || true; done
  end "$signals" other
done
# The checkpoint is saved even if the model cannot be.
rm -rf "$folder/other"
begin other
touch "$folder/other/interrupted"
kill -INT $pid
code=0; wait $pid || code=$?
expect "a model that cannot be saved" "1: train_gpt: error: $folder/other/interrupted" "$code: $(sed -n 's/interrupted: .*/interrupted/p' "$folder/err" | tail -1)"
rm "$folder/other/interrupted"
step=$(sed 's/step-0*//; s/\..*//' "$folder/other/checkpoints/latest")
"$train_gpt" "${common[@]}" --num_epochs 100000 --max_steps $((step + 1)) --output "$folder/other" --resume >/dev/null || fail "--resume after a model that could not be saved"
# A run that has ended, but cannot save its model, tells whether it has a checkpoint.
for every in 0 100; do
  rm -rf "$folder/ended"
  begin ended --num_epochs 1000 --checkpoint_every $every
  kill -STOP $pid
  mkdir "$folder/ended/config.json"
  kill -CONT $pid
  code=0; wait $pid || code=$?
  rmdir "$folder/ended/config.json"
  onward="; the model is not saved; --resume goes on from the last checkpoint"
  said="$code: $(sed -n 's/^train_gpt: error: \([^:]*\): [^;]*/\1/p' "$folder/err")"
  expect "a finished model that cannot be saved, --checkpoint_every $every" "1: $folder/ended/config.json$([ $every = 0 ] || echo "$onward")" "$said"
done
"$train_gpt" "${common[@]}" --num_epochs 1000 --checkpoint_every 100 --output "$folder/ended" --resume >/dev/null || fail "--resume after a finished model that could not be saved"
ask ended >/dev/null || fail "the model of a run that was finished by --resume"
# And the model if the checkpoint cannot be; or an error that names both.
for refused in checkpoints "checkpoints interrupted"; do
  rm -rf "$folder/other"
  begin other
  for name in $refused; do touch "$folder/other/$name"; done
  kill -INT $pid
  code=0; wait $pid || code=$?
  said="$code: $(grep -c ': error: ' "$folder/err") error: $(grep -o "$folder/other/[a-z]*: \|the model of.*" "$folder/err" | xargs)"
  if [ "$refused" = checkpoints ]; then
    expect "a checkpoint that cannot be saved" "1: 1 error: $folder/other/checkpoints: the model of the interrupted run is saved; --model_dir $folder/other/interrupted begins from it" "$said"
    ask other/interrupted >/dev/null || fail "the model is lost with the checkpoint"
    "$train_gpt" --data "$folder/data" --model_dir "$folder/other/interrupted" --context_length 16 --threads 1 --eval_freq 0 --no_final_evaluation --max_steps 1 \
      --output "$folder/onward" >/dev/null || fail "a run does not begin from the model that is saved without a checkpoint"
  else
    expect "neither checkpoint nor model" "1: 1 error: $folder/other/checkpoints: $folder/other/interrupted:" "$said"
  fi
done
# An earlier checkpoint stays.
rm -rf "$folder/other"
begin other --checkpoint_every 2
latest=$folder/other/checkpoints/latest
until [ -e "$latest" ]; do sleep 0.02; done
kill -STOP $pid
mv "$latest" "$folder/latest" && mkdir "$latest"
kill -INT $pid
kill -CONT $pid
code=0; wait $pid || code=$?
rmdir "$latest" && mv "$folder/latest" "$latest"
expect "a last checkpoint that cannot be saved" "1: the model of the interrupted run is saved; --resume goes on from the last checkpoint" \
  "$code: $(grep ': error: ' "$folder/err" | grep -o "the model of.*")"
step=$(sed 's/step-0*//; s/\..*//' "$latest")
"$train_gpt" "${common[@]}" --num_epochs 100000 --max_steps $((step + 1)) --checkpoint_every 2 --output "$folder/other" --resume >/dev/null || fail "--resume from the last checkpoint"

# nohup: the end of the terminal is ignored.
rm -rf "$folder/other"
(trap '' HUP; exec "$train_gpt" "${common[@]}" --num_epochs 40 --output "$folder/other" --log_file "$folder/hup.log" >"$folder/out" 2>&1) & pid=$!
until [ -s "$folder/hup.log" ]; do sleep 0.02; done
kill -HUP $pid
wait $pid || fail "nohup: $(cat "$folder/out")"

# Nobody reads standard output: the run goes on, is saved, and says so at the end.
code=0
{ "$train_gpt" "${common[@]}" --num_epochs 3 --output "$folder/unheard" 2>"$folder/err" || code=$?; echo "$code" >"$folder/code"; } | true
expect "a closed pipe" "1: train_gpt: error: standard output: cannot be written" "$(cat "$folder/code"): $(cat "$folder/err")"
ask unheard >/dev/null || fail "a run without a reader is lost"
code=0
{ "$train_logreg" --data "$folder/data" --output "$folder/unheard_words" 2>/dev/null || true; } | true
ask unheard_words >/dev/null || fail "train_logreg without a reader is lost"

# While train_logreg reads, a signal ends it at once.
mkdir "$folder/large"
awk 'BEGIN {print "text,label"; for (i = 0; i < 4000000; ++i) print i % 2 ? "the good film,1" : "the bad film,0"}' >"$folder/large/train.csv"
cp "$folder/data/validation.csv" "$folder/data/test.csv" "$folder/large"
# reads FILE: returns when the program has opened it, or has ended, at the latest after half a minute.
reads() {
  for _ in $(seq 3000); do
    [[ $(readlink /proc/$pid/fd/* 2>/dev/null || true) == *"$1"* ]] && return
    kill -0 $pid 2>/dev/null || return 0
    sleep 0.01
  done
  fail "$1 is not read"
}
"$train_logreg" --data "$folder/large" --threads 1 >/dev/null 2>&1 & pid=$!
reads "$folder/large/train.csv"
kill -TERM $pid
for _ in $(seq 50); do kill -0 $pid 2>/dev/null && sleep 0.1; done
kill -KILL $pid 2>/dev/null || true
code=0
wait $pid || code=$?
expect "the exit code of train_logreg that is ended while it reads" 143 "$code"

# The training programs say that nothing was lost when they are ended before they train.
for signal in INT TERM; do
  rm -rf "$folder/early"
  "$train_gpt" "${common[@]}" --data "$folder/large" --no_cache --output "$folder/early" >"$folder/out" 2>"$folder/err" & pid=$!
  reads "$folder/large/train.csv"
  kill -$signal $pid
  code=0
  wait $pid || code=$?
  expect "train_gpt before it trains" "130: interrupted: the run ends before its first step; no model is saved" "$code: $(grep . "$folder/err")"
  expect "files of it" "" "$(ls "$folder/early")"
done

# What a save needs, before the run: no step is done.
refused() { rm -f "$folder/log"; expect_error "$1" 1 "$2" "${common[@]}" --max_steps 1 --log_file "$folder/log" --output "$folder/bad" "${@:3}"; [ ! -s "$folder/log" ] || fail "$1: found after the run"; }
for name in model.safetensors config.json tokenizer.json vocab.txt interrupted/config.json; do
  rm -rf "$folder/bad" && mkdir -p "$folder/bad/$name"
  refused "a folder named $name" "$folder/bad/$name: is a folder, where a file is to be written"
done
for name in checkpoints interrupted; do
  rm -rf "$folder/bad" && mkdir "$folder/bad" && touch "$folder/bad/$name"
  refused "a file named $name" "$folder/bad/$name: is a file, where a folder is to be created"
done
mkdir "$folder/words" && mkdir "$folder/words/vocabulary.json"
program=$train_logreg expect_error "a folder named vocabulary.json" 1 "vocabulary.json: is a folder" --data "$folder/data" --output "$folder/words"
rm -rf "$folder/bad"
(failures=0; ulimit -f 16; refused "a limit on files" "will be saved, but the limit on the size of files (ulimit -f) is"; exit "$failures") || fail "a limit on files"
(failures=0; ulimit -f 1; program=$tokenize; expect_error "a limit on files, tokenize" 1 "vocab.json: cannot be written: File too large" \
  --train bpe --vocab_size 400 --csv "$folder/all/train.csv" --output "$folder/large"; exit "$failures") || fail "a limit on files, tokenize"

finish
