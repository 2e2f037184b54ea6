#!/usr/bin/env bash
# The folder of a saved model is all of one save: a kill in the middle of a save, a second run into the same folder, and files of older
# runs never leave weights, config and tokenizer of different models.
#
# usage: save_test.sh TRAIN_GPT TRAIN_LOGREG PREDICT TOKENIZE PREPARE_IMDB
set -euo pipefail
train_gpt=$1 train_logreg=$2 predict=$3 tokenize=$4 prepare_imdb=$5
program=$train_gpt
. "$(dirname "$0")/checks.sh"

invented_data 41 300
small_gpt2 300
common=(--tokenizer "$folder/tokenizer" --weights random --config "$folder/config.json" --context_length 16 --threads 1 --eval_freq 0 --no_final_evaluation)
short=("${common[@]}" --max_steps 1)
# The same texts with names of classes whose order is that of the numbers, and with the reverse.
for names in "bad good" "zero all"; do
  read -r zero one <<<"$names"
  mkdir "$folder/$zero"
  for split in train validation test; do sed "s/,0\$/,$zero/; s/,1\$/,$one/" "$folder/data/$split.csv" >"$folder/$zero/$split.csv"; done
done
ask() { "$predict" --model_dir "$folder/$1" --text "It never lost me." --format csv; }

# Killed at random moments of a run that replaces the model: the old one answers, or the new one.
for data in bad zero; do
  "$train_gpt" "${short[@]}" --data "$folder/$data" --output "$folder/of_$data" >/dev/null
  ask "of_$data" >"$folder/answer_$data"
done
cmp -s "$folder/answer_bad" "$folder/answer_zero" && fail "the two models say the same"
begin=$(date +%s%N)
"$train_gpt" "${short[@]}" --data "$folder/zero" --output "$folder/killed" >/dev/null
took=$((($(date +%s%N) - begin) / 1000000))
RANDOM=5 data=bad
for i in $(seq 25); do
  "$train_gpt" "${short[@]}" --data "$folder/$data" --output "$folder/killed" >/dev/null 2>&1 & pid=$!
  sleep "$(printf '0.%03d' $((took * (50 + RANDOM % 60) / 100 % 1000)))"
  { kill -KILL $pid && wait $pid; } 2>/dev/null || true
  ask killed >"$folder/answer" 2>"$folder/err" || fail "a killed save: $(cat "$folder/err")"
  cmp -s "$folder/answer" "$folder/answer_bad" || cmp -s "$folder/answer" "$folder/answer_zero" || fail "a mixture of two models answers"
  [ "$data" = bad ] && data=zero || data=bad
done
"$train_gpt" "${short[@]}" --data "$folder/bad" --output "$folder/killed" >/dev/null
ask killed | cmp - "$folder/answer_bad" || fail "the run after the kills"
expect "leftovers of killed runs" "" "$(find "$folder/killed" -name '*.attune-*')"

# A folder with something else is no place for a model: one line, and nothing in it changes.
foreign() { # NAME PATTERN: $folder/NAME, with what is there
  local before after program
  before=$(cd "$folder/$1" && find . -type f -exec sha256sum {} + | sort)
  for program in "$train_gpt" "$train_logreg"; do
    local flags=(--data "$folder/bad" --output "$folder/$1")
    [ "$program" = "$train_logreg" ] || flags+=("${short[@]}")
    expect_error "$(basename "$program") into $1" 1 "--output $folder/$1: has $2, which attune did not write" "${flags[@]}"
  done
  after=$(cd "$folder/$1" && find . -type f -exec sha256sum {} + | sort)
  expect "$1 stays as it is" "$before" "$after"
}
mkdir -p "$folder/checkout/.git" "$folder/checkout/src" "$folder/pretrained" "$folder/described"
touch "$folder/checkout/README.md" "$folder/checkout/Makefile"
foreign checkout ".git, Makefile, README.md and 1 more"
sed '/attune_/d; $!N' "$folder/of_bad/config.json" | sed '/attune_/d' >"$folder/pretrained/config.json"
foreign pretrained config.json
cp "$folder/tokenizer/tokenizer.json" "$folder/pretrained" && : >"$folder/pretrained/model.safetensors"
foreign pretrained "config.json, model.safetensors"
echo '{"distance": 7}' >"$folder/described/run.json"
foreign described run.json
# What a run finds in its own folder is no obstacle: logs, tables, its tokenizer, an older model, a save that was killed.
mkdir -p "$folder/usual/splits" && cp "$folder/tokenizer"/* "$folder/bad"/*.csv "$folder/usual"
echo text >"$folder/usual/run.log"
usual=("${short[@]}" --train "$folder/bad/train.csv" --validation "$folder/bad/validation.csv" --output "$folder/usual" --tensorboard "$folder/usual/events/of_run" --log_file "$folder/usual/steps"
  --split_output "$folder/usual/splits")
for _ in 1 2; do "$train_gpt" "${usual[@]}" >/dev/null 2>"$folder/err" || fail "the usual folder: $(cat "$folder/err")"; done
rm "$folder/usual/config.json" "$folder/usual/run.json" && echo notes >"$folder/usual/notes.md"
"$train_gpt" "${short[@]}" --data "$folder/bad" --output "$folder/usual" >/dev/null || fail "weights that attune saved are not known as its own"
"$train_logreg" --data "$folder/bad" --output "$folder/usual" >/dev/null || fail "a model that attune saved is not replaced"

# Weights and config of different saves; a config that was edited, or is not attune's, is not refused.
cp -r "$folder/of_bad" "$folder/mixed"
cp "$folder/of_zero/config.json" "$folder/mixed"
program=$predict expect_error "a mixed folder" 1 "mixed/model.safetensors: these weights and config.json come from different saves" --model_dir "$folder/mixed" --text x
cp "$folder/of_bad/config.json" "$folder/mixed" && sed -i 's/"good"/"fine"/' "$folder/mixed/config.json"
ask mixed >/dev/null || fail "an edited config is refused"
sed -i '/attune_save/d' "$folder/mixed/config.json"
sed -i ':a;N;$!ba;s/,\n}/\n}/' "$folder/mixed/config.json"
ask mixed >/dev/null || fail "a config without an id is refused"

# A file of a tokenizer that was not saved with the weights; --tokenizer takes it all the same. Older weights do not say what they were saved with.
cp -r "$folder/of_bad" "$folder/other_file" && echo >>"$folder/other_file/tokenizer.json"
other_file="other_file/tokenizer.json: this file and model.safetensors come from different saves"
program=$predict expect_error "a tokenizer of another save" 1 "$other_file" --model_dir "$folder/other_file" --text x
expect_error "a tokenizer of another save, before data are read" 1 "$other_file" --data "$folder/none" --model_dir "$folder/other_file" --context_length 16
expect "--tokenizer with another file" "$(cat "$folder/answer_bad")" "$("$predict" --model_dir "$folder/other_file" --tokenizer "$folder/other_file" --text "It never lost me." --format csv)"
LC_ALL=C sed -i 's/attune_files/____________/' "$folder/other_file/model.safetensors"
expect "another file beside older weights" "$(cat "$folder/answer_bad")" "$(ask other_file)"

# One flipped bit of the weights: of a transformer for predictions and for another run, and of a bag of words.
flip() { # FILE: the lowest bit of the last but 40th byte
  local at=$(($(stat -c %s "$1") - 40)) byte
  byte=$(od -An -tu1 -j $at -N 1 "$1")
  printf "$(printf '\\x%02x' $((byte ^ 1)))" | dd of="$1" bs=1 seek=$at conv=notrunc status=none
}
cp -r "$folder/of_bad" "$folder/flipped" && flip "$folder/flipped/model.safetensors"
program=$predict expect_error "a flipped bit" 1 "is damaged, or was changed by a program" --model_dir "$folder/flipped" --text x
expect_error "a flipped bit, training on" 1 "flipped/model.safetensors: the tensor '" --data "$folder/bad" --model_dir "$folder/flipped" --context_length 16
"$train_logreg" --data "$folder/bad" --output "$folder/flipped_bag" --top 0 >/dev/null
cp -r "$folder/flipped_bag" "$folder/other_words" && echo >>"$folder/other_words/vocabulary.json"
program=$predict expect_error "a vocabulary of another save" 1 "other_words/vocabulary.json: this vocabulary and model.safetensors come from different saves" \
  --model_dir "$folder/other_words" --text x
flip "$folder/flipped_bag/model.safetensors"
program=$predict expect_error "a flipped bit of a bag of words" 1 "flipped_bag/model.safetensors: the tensor '" --model_dir "$folder/flipped_bag" --text x

# Weights after the last step that are finite, but have no finite logits: nothing is saved, and the log says why.
expect_error "a step too large" 1 "evaluation stopped: the logits of example" "${short[@]}" --data "$folder/bad" --learning_rate 1e30 --output "$folder/wild" --log_file "$folder/wild.log"
expect "files of a model without finite logits" "" "$(ls "$folder/wild")"
grep -q '"stopped_at_step":.*"kind": *"activation"' "$folder/wild.log" || fail "the log of a model without finite logits: $(cat "$folder/wild.log")"

# One run at a time has the folder.
"$train_gpt" "${common[@]}" --data "$folder/bad" --num_epochs 100000 --output "$folder/busy" --log_file "$folder/busy.log" >/dev/null & pid=$!
until [ -s "$folder/busy.log" ]; do sleep 0.1; done
expect_error "a second run" 1 "$folder/busy: another run (process $pid) is writing to this folder" "${short[@]}" --data "$folder/bad" --output "$folder/busy"
program=$train_logreg expect_error "a second run of another program" 1 "another run (process $pid)" --data "$folder/bad" --output "$folder/busy"
kill -KILL $pid; wait $pid 2>/dev/null || true
"$train_gpt" "${short[@]}" --data "$folder/bad" --output "$folder/busy" >/dev/null || fail "a killed run keeps its folder"
long=("$train_gpt" "${common[@]}" --data "$folder/bad" --num_epochs 100000 --checkpoint_every 1 --output "$folder/unfinished")
"${long[@]}" >/dev/null & pid=$!
until [ -e "$folder/unfinished/checkpoints/latest" ]; do sleep 0.1; done
kill -KILL $pid; wait $pid 2>/dev/null || true
echo mine >"$folder/unfinished/mine"
steps=$(sed 's/step-0*//; s/\..*//' "$folder/unfinished/checkpoints/latest")
"${long[@]}" --resume --max_steps $((steps + 1)) >/dev/null || fail "a killed run with another file in its folder is not resumed"
[ "$(cat "$folder/unfinished/mine")" = mine ] || fail "a file of the user's is gone"
expect_error "a run without data" 1 "train.csv" "${short[@]}" --data "$folder/none" --output "$folder/unused"
[ ! -e "$folder/unused" ] || fail "a run that did not begin leaves a folder"

# A save into OUTPUT/interrupted that was killed leaves nothing after the next run.
mkdir "$folder/of_bad/interrupted" && touch "$folder/of_bad/interrupted/config.json.attune-temporary-abcdef"
"$train_gpt" "${short[@]}" --data "$folder/bad" --output "$folder/of_bad" >/dev/null
expect "leftovers of an interrupted run" "" "$(ls "$folder/of_bad/interrupted")"
rmdir "$folder/of_bad/interrupted"

# A save over a model that was killed: whoever reads the folder next has the old model if its files were in place, else the new one.
cp -r "$folder/of_bad" "$folder/half_saved"
mv "$folder/half_saved/config.json" "$folder/half_saved/config.json.attune-old-key-abcdef"
echo '{}' >"$folder/half_saved/config.json.attune-temporary-abcdef"
expect "the answers of a model that was put back" "$(ask of_bad)" "$(ask half_saved)"
mv "$folder/half_saved/config.json" "$folder/half_saved/config.json.attune-temporary-abcdef"
echo '{}' >"$folder/half_saved/config.json.attune-replaced-key-abcdef"
expect "the answers of a model whose save was finished" "$(ask of_bad)" "$(ask half_saved)"
expect "files after saves that were killed" "$(ls "$folder/of_bad")" "$(ls "$folder/half_saved")"

# Files of an older model go, others stay.
mkdir "$folder/words"
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' it never lost me left early the film was >"$folder/words/vocab.txt"
echo mine >"$folder/of_bad/notes.txt"
"$train_gpt" "${short[@]}" --tokenizer "$folder/words" --data "$folder/bad" --output "$folder/of_bad" >/dev/null
expect "files after another tokenizer" "config.json model.safetensors notes.txt report.html run.json vocab.txt" "$(ls "$folder/of_bad" | xargs)"
"$train_gpt" "${short[@]}" --tokenizer "$folder/words" --data "$folder/bad" --output "$folder/anew" >/dev/null
expect "answers after another tokenizer" "$(ask anew)" "$(ask of_bad)"
cp "$folder/tokenizer/tokenizer.json" "$folder/anew"
program=$predict expect_error "a tokenizer beside that of the save" 1 "anew/tokenizer.json: this file and model.safetensors come from different saves" \
  --model_dir "$folder/anew" --text x
echo '{"do_lower_case": false}' >"$folder/words/tokenizer_config.json"
"$train_gpt" "${short[@]}" --tokenizer "$folder/words" --data "$folder/bad" --output "$folder/cased" >/dev/null
rm "$folder/cased/tokenizer_config.json"
program=$predict expect_error "a file of the tokenizer is missing" 1 \
  "cased/tokenizer_config.json: this file of the tokenizer was saved with model.safetensors and is missing" --model_dir "$folder/cased" --text x
# The files of another tokenizer, where no model is.
mkdir "$folder/mine" && cp "$folder/tokenizer/tokenizer.json" "$folder/mine"
expect_error "another tokenizer in the folder" 1 "mine/tokenizer.json: a model that is saved here would replace or remove this file" \
  "${short[@]}" --tokenizer "$folder/words" --data "$folder/bad" --output "$folder/mine"
program=$train_logreg expect_error "a tokenizer in the folder of a bag of words" 1 "mine/tokenizer.json: a model that is saved here" \
  --data "$folder/bad" --output "$folder/mine"
cmp "$folder/tokenizer/tokenizer.json" "$folder/mine/tokenizer.json" || fail "a tokenizer has changed"
"$train_gpt" "${short[@]}" --tokenizer "$folder/mine" --data "$folder/bad" --output "$folder/mine" >/dev/null || fail "the own tokenizer in the folder"
"$train_logreg" --data "$folder/bad" --output "$folder/of_bad" >/dev/null
expect "files of a bag of words" "config.json model.safetensors notes.txt vocabulary.json" "$(ls "$folder/of_bad" | xargs)"
ask of_bad >/dev/null || fail "a bag of words after a transformer"

finish
