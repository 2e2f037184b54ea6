#!/usr/bin/env bash
# Files as users have them, from one file to a model that is evaluated and asked: four classes, pairs of texts, one rare row in fifty, several
# labels, and numbers. Each is learned, to show that the columns reach the model.
#
# usage: file_kinds_test.sh TRAIN_GPT PREDICT TOKENIZE EVALUATE
set -euo pipefail
train_gpt=$1 predict=$2 tokenize=$3 evaluate=$4
program=$train_gpt
. "$(dirname "$0")/checks.sh"

awk -v folder="$folder" 'BEGIN {
  srand(11)
  split("the a house car tree dog stands here there now", other, " "); split("north east south west", side, " ")
  split("red big old", word, " ")
  sides = folder "/sides.csv"; pairs = folder "/pairs.tsv"; rare = folder "/rare.jsonl"; several = folder "/several.csv"; scores = folder "/scores.csv"
  print "text,label" > sides; print "first\tsecond\tlabel" > pairs; print "text,tags" > several; print "text,score" > scores
  for (i = 0; i < 600; ++i) {
    x = other[1 + int(10 * rand())]; y = other[1 + int(10 * rand())]; z = other[1 + int(10 * rand())]
    s = 1 + int(4 * rand()); printf "%s %s %s %s,%s\n", x, side[s], y, z, side[s] > sides
    b = rand() < 0.5; printf "%s %s %s\t%s %s\t%s\n", x, y, z, y, b ? "red" : "big", b ? "yes" : "no" > pairs
    r = i % 51 == 0; printf "{\"text\": \"%s %s %s %s\", \"label\": \"%s\"}\n", x, y, r ? "odd" : z, z, r ? "rare" : "common" > rare
    tags = ""; text = x; score = 0
    for (w = 1; w <= 3; ++w) if (rand() < 0.4) { tags = tags (tags == "" ? "" : ";") word[w]; text = text " " word[w]; score += w }
    printf "%s %s,%s\n", text, y, tags > several; printf "%s %s,%d\n", text, y, score > scores
  }
}'
"$tokenize" --train bpe --vocab_size 280 --csv "$folder/sides.csv" --output "$folder/tokenizer" >/dev/null
echo '{"model_type": "gpt2", "vocab_size": 280, "n_positions": 24, "n_embd": 32, "n_layer": 1, "n_head": 2}' >"$folder/config.json"
train() {
  "$train_gpt" --tokenizer "$folder/tokenizer" --weights random --initializer gpt2 --config "$folder/config.json" --context_length 24 --average_embeddings \
    --trainable_layers all --learning_rate 3e-3 --weight_decay 0 --batch_size 16 --eval_freq 0 --seed 5 --threads 2 --split 0.7/0.15/0.15 \
    --split_output "$folder/$1.files" --output "$folder/$1" --log_file "$folder/$1.log" "${@:2}" >"$folder/$1.out" 2>"$folder/$1.err" ||
    fail "$1: $(cat "$folder/$1.err")"
}
measure() { grep '"split": *"test"' "$folder/$1.log" | sed -n "s/.*\"$2\": *\([^,}]*\).*/\1/p"; }
at_least() { checks=$((checks + 1)); awk -v found="$2" -v least="$3" 'BEGIN {exit !(found != "" && found + 0 >= least)}' || fail "$1: '$2' is less than $3"; }
ask() { "$predict" --model_dir "$folder/$1" --format csv "${@:2}" | tail -n +2 | cut -d, -f1; }
# What evaluate says of the test rows is what the run said.
evaluated() {
  expect "$1: $2 of evaluate" "$(measure "$1" "$2" | cut -c1-7)" \
    "$("$evaluate" --model_dir "$folder/$1" --data "$folder/$1.files/test.csv" --json "${@:3}" | tr ',{' '\n\n' | sed -n "s/^ *\"$2\": *\(.*\)/\1/p" | head -1 | tr -d '}' | cut -c1-7)"
}

train sides --train "$folder/sides.csv" --num_epochs 6
at_least "accuracy of four classes" "$(measure sides accuracy)" 0.95
evaluated sides accuracy
expect "a class of four" south "$(ask sides --text "the south car now")"

train pairs --train "$folder/pairs.tsv" --text_column first --text_pair_column second --num_epochs 8
at_least "accuracy of pairs" "$(measure pairs accuracy)" 0.95
evaluated pairs accuracy --text_pair_column second --text_column first
expect "a pair" yes "$(ask pairs --text "the house car" --text_pair "here red")"
train alone --train "$folder/pairs.tsv" --text_column first --num_epochs 8  # the first texts say nothing
at_least "errors without the second texts" "$(awk -v found="$(measure alone accuracy)" 'BEGIN {print 1 - found}')" 0.25

train plain --train "$folder/rare.jsonl" --max_steps 20
train weighted --train "$folder/rare.jsonl" --max_steps 20 --class_weights balanced
# After few steps a model without weights knows that the class is rare; with weights both classes count the same.
rare() { "$predict" --model_dir "$folder/$1" --format csv --text "the house odd car" | awk -F, 'NR == 1 {for (i = 1; i <= NF; ++i) if ($i == "probability_rare") at = i; next} {print $at}'; }
at_least "that one in fifty is unlikely without weights" "$(rare plain | awk '{print 1 - $1}')" 0.9
at_least "that it is not with weights" "$(rare weighted)" 0.15
evaluated weighted balanced_accuracy

train several --train "$folder/several.csv" --task multi_label --label_column tags --label_delimiter ';' --num_epochs 12
at_least "micro F1 of several labels" "$(measure several f1_micro)" 0.95
evaluated several f1_micro --label_column tags --label_delimiter ';'

train scores --train "$folder/scores.csv" --task regression --label_column score --num_epochs 12
at_least "correlation of numbers" "$(measure scores pearson)" 0.97
evaluated scores pearson --label_column score
finish
