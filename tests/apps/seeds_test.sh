#!/usr/bin/env bash
# --seeds on the command line: each run is the ordinary run of its seed, byte for byte; the table and seeds.json have the spread of their
# measures; a command that was interrupted or killed goes on where it was; the split of a file is the same for all; and what is said about
# mistakes.
#
# usage: seeds_test.sh TRAIN_GPT TRAIN_BERT TOKENIZE PREPARE_IMDB
set -euo pipefail
train_gpt=$1 train_bert=$2 tokenize=$3 prepare_imdb=$4
program=$train_gpt
. "$(dirname "$0")/checks.sh"

invented_data 61 300
small_gpt2 300
common=(--tokenizer "$folder/tokenizer" --weights random --config "$folder/config.json" --context_length 16 --dropout 0.1
  --trainable_layers all --eval_freq 0 --num_epochs 2 --threads 1 --learning_rate 1e-2)
of_data=(--data "$folder/data" "${common[@]}")
same() { cmp "$folder/$1/model.safetensors" "$folder/$2/model.safetensors" || fail "$1 is not $2"; }
# value FILE SPLIT MEASURE: of the measures of a run.json
value() { sed -n '/"measures"/,$p' "$1" | sed -n "/\"$2\": {/,/}/p" | sed -nE "s/.*\"$3\": ([0-9.e-]+).*/\1/p" | head -1; }

"$train_gpt" "${of_data[@]}" --seeds 4,1..2 --output "$folder/runs" --log_file "$folder/log.jsonl" --tensorboard "$folder/board" >"$folder/runs.out"
for seed in 1 2 4; do
  "$train_gpt" "${of_data[@]}" --seed $seed --output "$folder/one-$seed" --log_file "$folder/one-$seed.jsonl" >/dev/null
  same "runs/seed-$seed" "one-$seed"
  expect "the log of seed $seed" "$(grep -c . "$folder/one-$seed.jsonl")" "$(grep -c . "$folder/log-seed-$seed.jsonl")"
  [ -n "$(ls "$folder/board/seed-$seed")" ] || fail "seed $seed has no event file"
  "$train_gpt" --options "$folder/runs/seed-$seed/run.json" --output "$folder/again" --no_final_evaluation >/dev/null
  same "runs/seed-$seed" again
done
expect "files of the folder" "seed-1 seed-2 seed-4 seeds.json" "$(ls "$folder/runs" | xargs)"
expect "the runs in their order" "Seed 4 (1 of 3) Seed 1 (2 of 3) Seed 2 (3 of 3)" "$(grep '^Seed ' "$folder/runs.out" | xargs)"
for split in Training:train Validation:validation Test:test; do
  for seed in 1 2 4; do value "$folder/one-$seed/run.json" "${split#*:}" accuracy; done >"$folder/values"
  expected=$(awk '{s += $1; q[NR] = $1; if (NR == 1 || $1 < min) min = $1; if (NR == 1 || $1 > max) max = $1}
    END {m = s / NR; for (i in q) d += (q[i] - m) ^ 2; printf "%.2f%% %.2f%% %.2f%% %.2f%%", 100 * m, 100 * sqrt(d / (NR - 1)), 100 * min, 100 * max}' "$folder/values")
  expect "the table's ${split%:*} accuracy" "$expected" "$(sed -n "s/^${split%:*} accuracy  *\([0-9].*%\)$/\1/p" "$folder/runs.out" | xargs)"
done
mean=$(sed -n '/"summary"/,$p' "$folder/runs/seeds.json" | sed -n '/"test"/,$p' | sed -nE 's/.*"mean": ([0-9.]+).*/\1/p' | head -1)
expect "the mean in seeds.json" 1 "$(awk -v mean="$mean" '{s += $1} END {d = s / NR - mean; print (d < 1e-12 && d > -1e-12)}' "$folder/values")"

# Without a folder the table is all that is left.
"$train_gpt" "${of_data[@]}" --seeds 4,1,2 >"$folder/out"
expect "the table without --output" "$(grep 'accuracy  ' "$folder/runs.out")" "$(grep 'accuracy  ' "$folder/out")"
"$train_gpt" "${of_data[@]}" --seeds 7 --max_steps 2 >"$folder/out"
grep -q '^Test accuracy  .*%  *undefined  ' "$folder/out" || fail "one run has a deviation: $(grep 'Test acc' "$folder/out")"

# A part of one file: the same rows for all seeds, and for the repeated run.
split=(--train "$folder/data/train.csv" "${common[@]}" --num_epochs 1)
"$train_gpt" "${split[@]}" --seeds 1,2 --output "$folder/split" >/dev/null
"$train_gpt" "${split[@]}" --output "$folder/split-one" --max_steps 1 >/dev/null
digests() { sed -nE 's/.*"digest": "(.*)".*/\1/p' "$1/run.json" | xargs; }
expect "the rows of seed 1" "$(digests "$folder/split-one")" "$(digests "$folder/split/seed-1")"
expect "the rows of seed 2" "$(digests "$folder/split-one")" "$(digests "$folder/split/seed-2")"
if cmp -s "$folder/split/seed-1/model.safetensors" "$folder/split/seed-2/model.safetensors"; then fail "both seeds give one model"; fi
"$train_gpt" --options "$folder/split/seed-2/run.json" --output "$folder/again" --no_final_evaluation >/dev/null
same split/seed-2 again

# Interrupted or killed inside of the second run.
for signal in INT KILL; do
  long=("${of_data[@]}" --num_epochs 40 --checkpoint_every 9 --keep 2)
  [ -e "$folder/long" ] || "$train_gpt" "${long[@]}" --seeds 1..3 --output "$folder/long" >"$folder/long.out"
  "$train_gpt" "${long[@]}" --seeds 1..3 --output "$folder/cut-$signal" >"$folder/out" 2>&1 &
  pid=$!
  until [ -e "$folder/cut-$signal/seed-2/checkpoints/latest" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.01; done
  kill -$signal $pid
  code=0
  wait $pid 2>/dev/null || code=$?
  expect "exit code after $signal" $([ $signal = INT ] && echo 130 || echo 137) $code
  expect_error "without --resume after $signal" 1 "1 of 3 runs are finished: --resume goes on with them; otherwise remove the folder" \
    "${long[@]}" --seeds 1..3 --output "$folder/cut-$signal"
  expect_error "with other options after $signal" 1 "--learning_rate is 2e-2, but the runs of $folder/cut-$signal/seeds.json were made with 1e-2" \
    "${long[@]}" --seeds 1..3 --output "$folder/cut-$signal" --learning_rate 2e-2 --resume
  expect_error "with one option more after $signal" 1 "--group_by_length is given, but the runs of $folder/cut-$signal/seeds.json were made without it" \
    "${long[@]}" --seeds 1..3 --output "$folder/cut-$signal" --group_by_length --resume
  before=$(stat -c %Y%i "$folder/cut-$signal/seed-1/model.safetensors")
  "$train_gpt" "${long[@]}" --seeds 1..3 --output "$folder/cut-$signal" --resume >"$folder/out"
  expect "the finished run after $signal" "$before" "$(stat -c %Y%i "$folder/cut-$signal/seed-1/model.safetensors")"
  grep -q "^Seed 1 (1 of 3): finished before$" "$folder/out" || fail "the finished run is made again"
  grep -q "^Resumed after " "$folder/out" || fail "the second run is not resumed"
  for seed in 1 2 3; do same "long/seed-$seed" "cut-$signal/seed-$seed"; done
  expect "the table after $signal" "$(grep 'accuracy  ' "$folder/long.out")" "$(grep 'accuracy  ' "$folder/out")"
  diff "$folder/long/seeds.json" "$folder/cut-$signal/seeds.json" >/dev/null || fail "seeds.json after $signal differs"
done
# More seeds; then nothing is left to do.
"$train_gpt" "${of_data[@]}" --seeds 4,1..2,9 --output "$folder/runs" --resume >"$folder/out"
expect "finished runs" 3 "$(grep -c 'finished before' "$folder/out")"
"$train_gpt" "${of_data[@]}" --seeds 4,1..2,9 --output "$folder/runs" --resume --learning_rate 0.01 >"$folder/out"
expect "all runs" 4 "$(grep -c 'finished before' "$folder/out")"
grep -q '^Runs: 4 ' "$folder/out" || fail "no table without a run"

for seeds in x 1, ,1 1,,2 -1 1.5 3..1 1..2..3 1,1 1..3,2 1..2000 0..18446744073709551615 99999999999999999999; do
  expect_error "--seeds $seeds" 2 "--seeds $seeds" "${of_data[@]}" "--seeds=$seeds"
done
expect_error "no final evaluation" 2 "--no_final_evaluation makes none" "${of_data[@]}" --seeds 1,2 --no_final_evaluation

# Fewer seeds: the measures of the others stay.
"$train_gpt" "${of_data[@]}" --seeds 1 --output "$folder/runs" --resume >"$folder/out"
expect "the runs of a table of one seed" 1 "$(grep -c '^Runs: 1 ' "$folder/out")"
expect "seeds in seeds.json after fewer" 4 "$(grep -c '"seed":' "$folder/runs/seeds.json")"
"$train_gpt" "${of_data[@]}" --seeds 4,1..2,9 --output "$folder/runs" --resume >"$folder/out"
expect "runs that were finished before, after fewer" 4 "$(grep -c ': finished before' "$folder/out")"

expect_error "--resume with a value" 2 "--resume has no value then" "${of_data[@]}" --seeds 1,2 --output "$folder/runs" --resume "$folder/runs"
expect_error "--resume without --output" 2 "needs --output" "${of_data[@]}" --seeds 1,2 --resume
expect_error "--resume of nothing" 1 "seeds.json" "${of_data[@]}" --seeds 1,2 --output "$folder/nothing" --resume
# A command that fails before its first run neither blocks the folder nor takes the measures of earlier runs.
expect_error "a mistake before the first run" 2 "the model has only 24 positions" "${of_data[@]}" --seeds 1,2 --output "$folder/mistake" --context_length 99
"$train_gpt" "${of_data[@]}" --seeds 1,2 --output "$folder/mistake" >/dev/null || fail "a mistake blocks the folder"
cp "$folder/mistake/seeds.json" "$folder/before.json"
expect_error "a mistake before other runs" 2 "the model has only 24 positions" "${of_data[@]}" --seeds 3,4 --output "$folder/mistake" --context_length 99
cmp "$folder/before.json" "$folder/mistake/seeds.json" || fail "a mistake removes the measures of earlier runs"
expect_error "--split_seed x" 2 "--split_seed 'x' is not a whole number" "${split[@]}" --split_seed x

# train_bert.
small_bert "$folder/bert"
"$train_bert" --data "$folder/data" --model_dir "$folder/bert" --context_length 24 --threads 1 --eval_freq 0 --seeds 5..6 --output "$folder/berts" >"$folder/out"
expect "runs of train_bert" "seed-5 seed-6 seeds.json" "$(ls "$folder/berts" | xargs)"
grep -q '^Runs: 2 ' "$folder/out" || fail "train_bert prints no table"
berts=(--data "$folder/data" --model_dir "$folder/bert" --context_length 24 --threads 1 --eval_freq 0 --output "$folder/berts" --resume)
"$train_bert" "${berts[@]}" --seeds 5..7 --use_attention_mask True >"$folder/out" || fail "the mask that the runs had is refused"
expect "runs of train_bert that were finished before" 2 "$(grep -c ': finished before' "$folder/out")"
program=$train_bert expect_error "another mask than the other runs" 1 "the config and input form of the model are not those of the other runs of --seeds" \
  "${berts[@]}" --seeds 5..8 --use_attention_mask false

# While the second run reads its data, which takes a second after its folder is made, a signal ends it as it does the first.
awk 'BEGIN {print "text,label"; for (i = 0; i < 2000000; ++i) print i % 2 ? "the good film,1" : "the bad film,0"}' >"$folder/large.csv"
"$train_gpt" --train "$folder/large.csv" "${common[@]}" --max_train_examples 20 --max_eval_examples 20 --max_steps 1 --seeds 1,2 --output "$folder/early" \
  >"$folder/out" 2>"$folder/err" & pid=$!
until [ -e "$folder/early/seed-2" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.01; done
kill -INT $pid
code=0
wait $pid || code=$?
expect "the second run before it trains" "130: interrupted: the run ends before its first step; no model is saved" "$code: $(grep interrupted: "$folder/err")"
expect "models before the second run" "$folder/early/seed-1/model.safetensors" "$(find "$folder/early" -name model.safetensors)"

# What another version wrote is refused as a whole.
sed 's/"attune": "[^"]*"/"attune": "0.0.0"/; s/"headlines"/"lines"/' "$folder/berts/seeds.json" >"$folder/early/seeds.json"
sed -i 's/"train_bert"/"train_gpt"/' "$folder/early/seeds.json"
for resume in "" --resume; do
  expect_error "seeds.json of another version" 1 "early/seeds.json: was made by attune 0.0.0; this is" "${of_data[@]}" --seeds 1,2 --output "$folder/early" $resume
done

finish
