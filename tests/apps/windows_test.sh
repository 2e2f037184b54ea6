#!/usr/bin/env bash
# --windows on the command line: what stands only at the end of long texts is learned with windows and cannot be without; predict and
# evaluate read a saved folder as the run did; a run that was left goes on to the same bits, and run.json repeats it; short texts are read
# as ever; and what is said about mistakes.
#
# usage: windows_test.sh TRAIN_GPT TRAIN_BERT PREDICT EVALUATE TOKENIZE PREPARE_IMDB
set -euo pipefail
train_gpt=$1 train_bert=$2 predict=$3 evaluate=$4 tokenize=$5 prepare_imdb=$6
. "$(dirname "$0")/checks.sh"

# Texts of 20 to 60 words; the last but one says what the label is.
mkdir "$folder/data"
awk -v folder="$folder" 'BEGIN {
  srand(5)
  split("the a house car tree dog stands here there now", other, " ")
  for (s = 1; s <= 3; ++s) {
    file = folder "/data/" (s == 1 ? "train" : s == 2 ? "validation" : "test") ".csv"
    print "text,label" > file
    for (i = 0; i < (s == 1 ? 240 : 80); ++i) {
      text = ""; label = i % 2
      for (n = 20 + int(41 * rand()); n > 0; --n) text = text other[1 + int(10 * rand())] " "
      print text (label ? "red " : "big ") other[1 + int(10 * rand())] "," label > file
    }
    close(file)
  }
}'
"$tokenize" --train bpe --vocab_size 280 --csv "$folder/data/train.csv" --output "$folder/tokenizer" >/dev/null
echo '{"model_type": "gpt2", "vocab_size": 280, "n_positions": 16, "n_embd": 32, "n_layer": 1, "n_head": 2}' >"$folder/config.json"
common=(--data "$folder/data" --tokenizer "$folder/tokenizer" --weights random --config "$folder/config.json" --context_length model_context_length
  --trainable_layers all --average_embeddings --eval_freq 10 --eval_iter 2 --num_epochs 4 --threads 1 --learning_rate 1e-2 --dropout 0.1)
train() { "$train_gpt" "${common[@]}" --output "$folder/$1" --log_file "$folder/$1.log" "${@:2}" >"$folder/$1.out" 2>"$folder/$1.err"; }
accuracy() { sed -n 's/^Test accuracy: \([0-9]*\).*/\1/p' "$folder/$1.out"; }
same_model() { cmp "$folder/$1/model.safetensors" "$folder/$2/model.safetensors" || fail "$3"; }

train cut
train mean --windows overlap=4 --keep_best accuracy
train max --windows overlap=0 --window_pooling max
[ "$(accuracy cut)" -lt 70 ] || fail "the labels are learned from cut texts: $(accuracy cut) %"
[ "$(accuracy mean)" -gt 90 ] || fail "the labels are not learned with windows: $(accuracy mean) %"
[ "$(accuracy max)" -gt 90 ] || fail "the labels are not learned with the max of windows: $(accuracy max) %"
key() { sed -nE "s/^ *\"$2\": \"?([^\",]*)\"?,?$/\1/p" "$folder/$1/config.json"; }
expect "the windows of the folder" "4 mean, 0 max" "$(key mean attune_window_overlap) $(key mean attune_window_pooling), $(key max attune_window_overlap) $(key max attune_window_pooling)"
expect "a folder without windows" "" "$(key cut attune_window_overlap)$(key cut attune_window_pooling)"
grep -q "^cut  *100.0%" "$folder/cut.out" || fail "the share of texts that are cut"
grep -Eq "^windows( +[0-9]{3,4}){3}$" "$folder/mean.out" || fail "the number of windows"
if grep -q "^cut" "$folder/mean.out"; then fail "texts in windows are called cut"; fi
grep -q ">windows<" "$folder/mean/report.html" || fail "the page of the run has no number of windows"
grep -q ">texts that were cut<" "$folder/cut/report.html" || fail "the page of a run that cuts does not say so"

# The folder is enough for the programs that read it; the batch does not matter.
for name in mean max; do
  measures=$("$evaluate" --model_dir "$folder/$name" --data "$folder/data/test.csv" --json --batch_size 7)
  for measure in accuracy f1_macro mcc; do
    expect "$name, $measure" "$(sed -nE "s/.*\"split\": *\"test\".*\"$measure\": *([-0-9.e]*).*/\1/p" "$folder/$name.log" | cut -c1-12)" \
      "$(grep -oE "\"$measure\": *[-0-9.e]*" <<<"$measures" | head -1 | sed 's/.*: *//' | cut -c1-12)"
  done
  for size in 1 3 64; do
    "$predict" --model_dir "$folder/$name" --csv "$folder/data/test.csv" --format csv --batch_size $size >"$folder/predicted.$size" 2>"$folder/err"
    expect "no note of cut texts" "" "$(cat "$folder/err")"
  done
  cmp "$folder/predicted.1" "$folder/predicted.64" && cmp "$folder/predicted.3" "$folder/predicted.64" || fail "the predictions of $name depend on the batch"
  right=$(paste -d, <(tail -n +2 "$folder/predicted.64") <(tail -n +2 "$folder/data/test.csv") | awk -F, '$1 == "LABEL_" $NF {n++} END {print int(100 * n / NR)}')
  expect "$name, right predictions" "$(accuracy $name)" "$right"
  # Every word once, where windows overlap too.
  text=$(sed -n 2p "$folder/data/test.csv" | cut -d, -f1)
  "$predict" --model_dir "$folder/$name" --text "$text" --explain --format jsonl >"$folder/explained"
  expect "the words of an explanation" "$text" "$(sed 's/.*"words": *\[\[\(.*\)\]\],.*/\1/' "$folder/explained" | grep -oE '"[a-z]+"' | tr -d '"' | xargs)"
done

# A run that was left, one that is repeated, and one from stored ids. (A log repeats the epochs that a resumed run goes over.)
train part --windows overlap=0 --window_pooling max --max_steps 50 --checkpoint_every 50 --no_final_evaluation
"$train_gpt" "${common[@]}" --windows overlap=0 --window_pooling max --output "$folder/resumed" --resume "$folder/part" >/dev/null
same_model max resumed "a resumed run is another one"
"$train_gpt" --options "$folder/max/run.json" --output "$folder/repeated" >"$folder/out"
same_model max repeated "run.json does not repeat the run"
expect "stored ids" 3 "$(grep -c "^Token ids of .*: from " "$folder/out")"
"$train_gpt" --options "$folder/max/run.json" --output "$folder/other" --windows overlap=4 --window_pooling mean --keep_best accuracy >/dev/null 2>&1
same_model mean other "options of the command line do not override"

# Batches by tokens count those of all windows; a text of more tokens is a batch of its own.
"$train_gpt" "${common[@]}" --windows overlap=4 --batch_tokens 100 --group_by_length --num_epochs 1 --output "$folder/tokens" >/dev/null 2>"$folder/err" ||
  fail "batches by tokens: $(cat "$folder/err")"
steps=$(sed -n 's/.*"steps": *\([0-9]*\).*/\1/p' "$folder/tokens/run.json")
if [ "$steps" -le 150 ] || [ "$steps" -gt 240 ]; then fail "$steps batches of 100 tokens of 240 texts of 87 in the median"; fi

# Texts that fit are one window each: the same run as ever.
mkdir "$folder/short"
for split in train validation test; do
  awk -F, 'NR == 1 {print; next} {n = split($1, w, " "); print w[n - 1], NR "," $2}' "$folder/data/$split.csv" >"$folder/short/$split.csv"
done
train short --data "$folder/short"
train short_windows --data "$folder/short" --windows overlap=4
expect "the log of a run on short texts" "" "$(diff <(without_speeds "$folder/short.log") <(without_speeds "$folder/short_windows.log") | head -2)"

# A run from such a folder reads windows if it is asked to, and says so if not.
onward=(--data "$folder/data" --model_dir "$folder/mean" --context_length 16 --max_steps 1 --eval_freq 0 --no_final_evaluation --threads 1)
"$train_gpt" "${onward[@]}" --output "$folder/onward" >/dev/null 2>"$folder/err"
grep -q "warning: the model of .* reads long texts in windows, and this run cuts them; --windows overlap=4 --window_pooling mean" "$folder/err" ||
  fail "nothing says that the texts are cut: $(cat "$folder/err")"
expect "its folder" "" "$(key onward attune_window_overlap)"
"$train_gpt" "${onward[@]}" --windows overlap=2 --output "$folder/onward" >/dev/null 2>"$folder/err"
expect "windows again" "" "$(cat "$folder/err")"
expect "its folder with windows" 2 "$(key onward attune_window_overlap)"

# Mistakes.
program=$train_gpt
for value in 4 stride=4 overlap overlap=x overlap=-1 overlap=4.5 overlap=4x overlap=99999999999999999999; do
  expect_error "--windows $value" 2 "--windows: the value is overlap=N with a number of tokens from 0 on, not '$value'" "${common[@]}" --windows "$value"
done
expect_error "an overlap that is all" 2 "--windows overlap=16: the overlap must be smaller than the 16 tokens of text that fit into a context of 16" \
  "${common[@]}" --windows overlap=16
expect_error "an overlap of the longest training text" 2 "smaller than the" "${common[@]}" --data "$folder/short" --context_length longest_training_example --windows overlap=14
expect_error "an unknown pooling" 2 "--window_pooling" "${common[@]}" --windows overlap=1 --window_pooling median
expect_error "pooling of nothing" 2 "--window_pooling" "${common[@]}" --window_pooling max
expect_error "pairs" 2 "--windows: pairs of texts (--text_pair_column) cannot be cut into windows" "${common[@]}" --windows overlap=1 --text_pair_column label
expect_error "a checkpoint of other windows" 1 "--windows" "${common[@]}" --windows overlap=1 --window_pooling max --output "$folder/resumed" --resume "$folder/part"
program=$predict
expect_error "a pair" 1 "the model was trained on single texts, and these are pairs" --model_dir "$folder/mean" --text a --text_pair b
damage() { sed -i -E "s/\"attune_window_$1\": [^,]*/\"attune_window_$1\": $2/" "$folder/mean/config.json"; }
for overlap in 16 99; do
  damage overlap $overlap
  expect_error "a folder with an overlap of $overlap" 1 "windows of 16 tokens of text cannot share $overlap" --model_dir "$folder/mean" --text a
done
damage overlap -1
expect_error "a folder with a negative overlap" 1 "attune_window_overlap: must be from 0 on, found -1" --model_dir "$folder/mean" --text a
damage overlap 4
damage pooling '"median"'
expect_error "a folder with an unknown pooling" 1 "attune_window_pooling: 'median' is neither mean nor max" --model_dir "$folder/mean" --text a

# Special tokens take room from the text.
program=$train_bert
"$prepare_imdb" --synthetic --output "$folder/all" >/dev/null
small_bert "$folder/bert"
bert=(--model_dir "$folder/bert" --data "$folder/data" --context_length 16 --threads 1 --eval_freq 0 --max_steps 2)
expect_error "an overlap that is all, with special tokens" 2 "smaller than the 14 tokens of text that fit into a context of 16" "${bert[@]}" --windows overlap=14
"$train_bert" "${bert[@]}" --windows overlap=13 --output "$folder/bert_windows" >"$folder/bert.out"
expect "a BERT's windows" "$(grep -o "Test accuracy: [0-9]*" "$folder/bert.out")" \
  "Test accuracy: $("$evaluate" --model_dir "$folder/bert_windows" --data "$folder/data/test.csv" --json | grep -oE '"accuracy": *[0-9.]*' | head -1 | awk '{print int(100 * $NF + 0.001)}')"
finish
