#!/usr/bin/env bash
# run.json on the command line: it says what a run was, and --options repeats the run bit by bit, with other options where the command line
# gives them.
#
# usage: run_file_test.sh TRAIN_GPT TRAIN_BERT TOKENIZE PREPARE_IMDB
set -euo pipefail
train_gpt=$1 train_bert=$2 tokenize=$3 prepare_imdb=$4
program=$train_gpt
. "$(dirname "$0")/checks.sh"

invented_data 60 300
small_gpt2 300
first=(--data "$folder/data" --tokenizer "$folder/tokenizer" --weights random --config "$folder/config.json" --context_length 24 --threads 2 --eval_freq 0
  --trainable_layers all --learning_rate 1e-2 --max_steps 5 --dropout 0.1 --seed 7 --recompute)
"$train_gpt" "${first[@]}" --output "$folder/first" >"$folder/out"
run=$folder/first/run.json
# value FILE KEY: of a line of the file
value() { sed -nE "s/^ *\"$2\": \"?([^\",]*)\"?,?$/\1/p" "$1" | head -1; }
expect "program" train_gpt "$(value "$run" program)"
if git -C "$(dirname "$0")" rev-parse HEAD >/dev/null 2>&1; then
  value "$run" commit | grep -qE '^[0-9a-f]{12}(-dirty)?$' || fail "the commit: $(value "$run" commit)"
fi
expect "a given option" 7 "$(value "$run" --seed)"
expect "a flag" true "$(value "$run" --recompute)"
expect "a default" 0.1 "$(value "$run" --weight_decay)"
expect "steps" 5 "$(value "$run" steps)"
expect "examples" 59 "$(value "$run" examples)"
expect "measures of every split" 3 "$(grep -c '"accuracy":' "$run")"
expect "test accuracy" "$(grep '^Test' "$folder/out")" "Test accuracy: $(sed -n '/"test": {/,/}/p' "$run" | sed -nE 's/.*"accuracy": ([0-9.]+).*/\1/p' | awk '{printf "%.2f%%", 100 * $1}')"

"$train_gpt" --options "$run" --output "$folder/second" >/dev/null
expect "repeated" "" "$(cmp "$folder/first/model.safetensors" "$folder/second/model.safetensors" 2>&1)"
"$train_gpt" "--options=$folder/second/run.json" --output "$folder/third" --no_final_evaluation >/dev/null
expect "repeated from the second" "" "$(cmp "$folder/first/model.safetensors" "$folder/third/model.safetensors" 2>&1)"
expect "no measures without the final evaluation" 0 "$(grep -c '"accuracy":' "$folder/third/run.json" || true)"
"$train_gpt" --options "$run" --seed 8 --output "$folder/other" >/dev/null
cmp -s "$folder/first/model.safetensors" "$folder/other/model.safetensors" && fail "--seed does not override"
expect "the seed that counted" 8 "$(value "$folder/other/run.json" --seed)"

# A new model in the folder takes the old run's description away, even if it ends before its own is there.
"$train_gpt" "${first[@]}" --output "$folder/other" >/dev/null
expect "the new run's" 7 "$(value "$folder/other/run.json" --seed)"

# A log of the first run stays, and a long path is whole.
long=$folder/$(printf 'd%.0s' {1..60})/$(printf 'e%.0s' {1..60})
mkdir -p "$long"
cp "$folder/data/"*.csv "$long"
"$train_gpt" "${first[@]}" --data "$long" --log_file "$folder/log" --output "$folder/long" >/dev/null
cp "$folder/log" "$folder/log_before"
"$train_gpt" --options "$folder/long/run.json" --output "$folder/long2" >/dev/null 2>"$folder/err"
expect "repeated from a long path" "" "$(cmp "$folder/long/model.safetensors" "$folder/long2/model.safetensors" 2>&1)"
expect "the first run's log" "" "$(cmp "$folder/log" "$folder/log_before" 2>&1)"
expect "no warning" "" "$(cat "$folder/err")"
sed -i '2s/the /a /' "$long/train.csv"
"$train_gpt" --options "$folder/long/run.json" --no_final_evaluation >/dev/null 2>"$folder/err"
grep -q "warning: the train examples are not those of the run" "$folder/err" || fail "nothing says that the data are others"

# A value that is not UTF-8 is left out, which the run says once.
odd=$folder/$'log\xff'
"$train_gpt" "${first[@]}" --log_file "$odd" --output "$folder/odd" >/dev/null 2>"$folder/err"
expect "an option that is left out" "warning: run.json leaves out --log_file, whose value is not UTF-8" "$(cat "$folder/err")"
expect "it is not there" "" "$(grep log_file "$folder/odd/run.json" || true)"

# The starting weights are compared too, and relative paths begin where the run was started.
(cd "$folder" && "$train_gpt" "${first[@]}" --data data --output relative >/dev/null)
mkdir "$folder/elsewhere"
(cd "$folder/elsewhere" && "$train_gpt" --options ../relative/run.json --output "$folder/relative2" 2>"$folder/err" >/dev/null)
expect "repeated from another folder" "" "$(cmp "$folder/relative/model.safetensors" "$folder/relative2/model.safetensors" 2>&1)$(cat "$folder/err")"
train_first=("${first[@]/--data/--train}" --max_steps 2)
(cd "$folder" && "$train_gpt" "${train_first[@]}" --train data/train.csv --validation data/validation.csv --test data/test.csv --output relative3 >/dev/null)
(cd "$folder/elsewhere" && "$train_gpt" --options ../relative3/run.json --output "$folder/relative4" 2>"$folder/err" >/dev/null) || true
expect "--train repeated from another folder" "" "$(cmp "$folder/relative3/model.safetensors" "$folder/relative4/model.safetensors" 2>&1)$(cat "$folder/err")"
(cd "$folder/data" && "$train_gpt" "${first[@]:2}" --output ../relative5 >/dev/null)
(cd "$folder/elsewhere" && "$train_gpt" --options ../relative5/run.json --output "$folder/relative6" 2>"$folder/err" >/dev/null) || true
expect "the default of --data repeated from another folder" "" "$(cmp "$folder/relative5/model.safetensors" "$folder/relative6/model.safetensors" 2>&1)$(cat "$folder/err")"
onward=(--data "$folder/data" --context_length 24 --threads 2 --eval_freq 0 --max_steps 2 --no_final_evaluation)
cp -r "$folder/first" "$folder/base"
"$train_gpt" "${onward[@]}" --model_dir "$folder/base" --output "$folder/onward" >/dev/null
"$train_gpt" "${first[@]}" --seed 9 --output "$folder/nine" >/dev/null
cp "$folder/nine/model.safetensors" "$folder/nine/config.json" "$folder/base"
"$train_gpt" --options "$folder/onward/run.json" >/dev/null 2>"$folder/err"
grep -q "warning: the starting weights are not those of the run" "$folder/err" || fail "nothing says that the weights are others"

# Options that an option of the command line excludes, or gives another meaning, are not those of the file.
"$train_gpt" "${first[@]}" --trainable_layers lora --lora_rank 2 --warmup_steps 2 --lr_schedule cosine_restarts --lr_cycles 2 --output "$folder/lora" >/dev/null
for other in "--warmup_ratio 0.5" "--lr_schedule linear" "--trainable_layers last_layer" "--train $folder/data/train.csv"; do
  # shellcheck disable=SC2086  # options are words
  "$train_gpt" --options "$folder/lora/run.json" $other --no_final_evaluation >/dev/null || fail "$other does not override"
done

"$train_gpt" "${first[@]/--data/--train}" --train "$folder/data/train.csv" --output "$folder/one_file" >/dev/null
"$train_gpt" --options "$folder/one_file/run.json" --data "$folder/data" --no_final_evaluation >/dev/null || fail "--data does not override --train"
# Nor are options that need one of these.
"$train_gpt" "${first[@]/--data/--train}" --train "$folder/data/train.csv" --split 0.7/0.2/0.1 --output "$folder/one_file" >/dev/null
for run_of in one_file relative3; do
  "$train_gpt" --options "$folder/$run_of/run.json" --data "$folder/data" --no_final_evaluation >/dev/null || fail "--data does not override --train of $run_of"
done
"$train_gpt" "${first[@]}" --eval_freq 2 --keep_best loss --patience 1 --output "$folder/kept_best" >/dev/null
"$train_gpt" --options "$folder/kept_best/run.json" --keep_best accuracy --no_final_evaluation >/dev/null || fail "--keep_best does not override"

expect_error "no file" 1 "nowhere.json" --options "$folder/nowhere.json"
expect_error "no value" 2 "--options" --options
echo '{"attune": "0.1.0", "program": "train_gpt", "seeds": [1, 2], "options": {}}' >"$folder/seeds.json"
expect_error "several runs" 1 "seeds.json: describes several runs; each has a run.json in its folder" --options "$folder/seeds.json"
echo '{"program": "train_gpt"' >"$folder/cut.json"
expect_error "a cut file" 1 "cut.json" --options "$folder/cut.json"
echo '{"options": {}}' >"$folder/other.json"
expect_error "another file" 1 "other.json" --options "$folder/other.json"
sed 's/"--seed"/"--sead"/' "$run" >"$folder/unknown.json"
expect_error "an option of another version" 2 "unknown.json: train_gpt has no option --sead" --options "$folder/unknown.json"
sed 's/"--seed": "7"/"--seed": "seven"/' "$run" >"$folder/mistake.json"
sed 's/"--seed"/"--sed"/' "$run" >"$folder/unknown.json"
expect_error "the nearest option of this version" 2 "train_gpt has no option --sed; did you mean '--seed'?" --options "$folder/unknown.json"
sed 's/"attune": "[^"]*"/"attune": "0.0.0"/' "$run" >"$folder/older.json"
"$train_gpt" --options "$folder/older.json" --no_final_evaluation >/dev/null 2>"$folder/err"
grep -qF "warning: $folder/older.json: is of attune 0.0.0, and this is " "$folder/err" || fail "nothing says that the file is of another version"
# Options of the file that have their default again: a flag, and an option of a group.
"$train_gpt" --options "$run" --without recompute --no_final_evaluation --output "$folder/without" >/dev/null 2>&1
expect "a flag that is left out" "" "$(value "$folder/without/run.json" --recompute)"
expect "an option that stays" 7 "$(value "$folder/without/run.json" --seed)"
"$train_gpt" --options "$folder/lora/run.json" --without=--lora_rank,seed --no_final_evaluation --output "$folder/without" >/dev/null 2>&1
expect "options that are left out" "8 123" "$(value "$folder/without/run.json" --lora_rank) $(value "$folder/without/run.json" --seed)"
"$train_gpt" --options "$folder/without/run.json" --no_final_evaluation --output "$folder/again" >/dev/null 2>&1
expect "they stay out when the run is repeated" "$(value "$folder/without/run.json" --lora_rank)" "$(value "$folder/again/run.json" --lora_rank)"
expect_error "an option to leave out that is none" 2 "--without: there is no option --lora_ranks; did you mean '--lora_rank'?" --options "$run" --without lora_ranks
expect_error "nothing to leave out of" 2 "--without requires --options" "${first[@]}" --without seed
expect_error "a value that is none" 2 "seven" --options "$folder/mistake.json"
program=$train_bert
expect_error "another program's" 1 "has the options of train_gpt, not of train_bert" --options "$run"
finish
