#!/usr/bin/env bash
# Tasks on the command line: a small GPT from random weights learns several labels, numbers and a rare class; what is saved comes back as
# the ecosystem's problem_type; predictions follow the thresholds; equal runs give equal bits, on the simulated GPU too; and what is said
# about mistakes.
#
# usage: tasks_test.sh learning|mistakes|device TRAIN_GPT TRAIN_BERT PREDICT TOKENIZE
set -euo pipefail
part=$1 train_gpt=$2 train_bert=$3 predict=$4 tokenize=$5
program=$train_gpt
. "$(dirname "$0")/checks.sh"

task_data
common=(--data "$folder/data" --tokenizer "$folder/tokenizer" --weights random --initializer gpt2 --config "$folder/config.json"
  --context_length 16 --average_embeddings --trainable_layers all --learning_rate 3e-3 --weight_decay 0 --batch_size 16 --eval_freq 0
  --seed 5 --threads 2)
train() { "$train_gpt" "${common[@]}" --output "$folder/$1" --log_file "$folder/$1.log" "${@:2}" >"$folder/$1.out"; }
measure() { grep "\"split\": *\"test\"" "$folder/$1.log" | sed -n "s/.*\"$2\": *\([^,}]*\).*/\1/p"; }
at_least() { awk -v found="$2" -v least="$3" 'BEGIN {exit !(found != "" && found + 0 >= least)}' || fail "$1: $2 is less than $3"; }
key() { tr -d ' \n' <"$folder/$1/config.json" | grep -qF -- "$2" || fail "$1/config.json: no $2"; }
ask() { "$predict" --model_dir "$folder/$1" "${@:2}"; }

case $part in
learning)
  # Several labels of one field; and the same from columns.
  train several --task multi_label --label_column tags --num_epochs 12
  at_least "micro F1 of several labels" "$(measure several f1_micro)" 0.95
  grep -qE '^Test micro F1: [0-9.]+%$' "$folder/several.out" || fail "the closing line of several labels"
  key several '"problem_type":"multi_label_classification"'
  key several '"id2label":{"0":"big","1":"old","2":"red"}'
  train columns --task multi_label --label_columns red,big,old --num_epochs 12 --threshold red=0.999999,old=0.000001
  key columns '"id2label":{"0":"red","1":"big","2":"old"}'
  key columns '"attune_thresholds":[0.999999,0.5,1e-06]'
  # The order of the labels is another one, the losses of the first batch are not far apart; what differs is the threshold.
  expect "several labels" '"labels":["big","red"]' "$(ask several --text "the red house big tree" --format jsonl | tr -d ' ' | sed 's/{\("labels":[^]]*\]\).*/\1/')"
  expect "thresholds" '"labels":["big","old"]' "$(ask columns --text "the red house big tree" --format jsonl | tr -d ' ' | sed 's/{\("labels":[^]]*\]\).*/\1/')"
  expect "the header of several labels" "labels,probability_big,probability_old,probability_red,logit_big,logit_old,logit_red" \
    "$(ask several --text x --format csv | head -1)"
  ask several --text "the red house tree" | grep -qE $'^red [0-9.]+%\t\\[' || fail "the line of several labels: $(ask several --text "the red house tree")"
  # Equal runs.
  train again --task multi_label --label_column tags --num_epochs 12 --threads 1
  cmp "$folder/several/model.safetensors" "$folder/again/model.safetensors" || fail "equal runs of several labels differ"

  # Numbers.
  train score --task regression --label_column score --num_epochs 12
  at_least "correlation" "$(measure score pearson)" 0.97
  grep -qE '^Test mean squared error: [0-9.]+$' "$folder/score.out" || fail "the closing line of numbers"
  key score '"problem_type":"regression"'
  key score '"num_labels":1'
  ask score --text "the red house big tree" --format csv | tail -1 | awk '{exit !($1 > 2 && $1 < 4)}' || fail "a number near 3"
  ask score --text "the house tree" --format jsonl | grep -qE '^\{"prediction": *-?[0-9.e-]+\}$' || fail "a number as JSON"
  train scores --task regression --label_columns score,red --num_epochs 1
  expect "the header of two numbers" prediction_score,prediction_red "$(ask scores --text x --format csv | head -1)"

  # Balanced weights find more of the rare class, and change nothing else about the run.
  train plain --num_epochs 1 --max_steps 5
  train balanced --num_epochs 1 --max_steps 5 --class_weights balanced
  at_least "recall of the rare class with balanced weights" "$(measure balanced recall.rare)" \
    "$(awk -v plain="$(measure plain recall.rare)" 'BEGIN {print plain + 0.3}')"
  # A class that does not count leaves batches without a weight: their loss is 0, and the run goes on.
  train uncounted --num_epochs 1 --max_steps 5 --batch_size 1 --class_weights common=0
  train weights --num_epochs 1 --max_steps 5 --class_weights common=1,rare=1
  cmp "$folder/plain/model.safetensors" "$folder/weights/model.safetensors" || fail "weights of 1 change the run"
  train smoothed --num_epochs 1 --max_steps 5 --label_smoothing 0.2
  if cmp -s "$folder/plain/model.safetensors" "$folder/smoothed/model.safetensors"; then fail "smoothing changes nothing"; fi

  # A folder's problem_type is the default of --task.
  "$train_gpt" --data "$folder/data" --context_length 16 --threads 2 --eval_freq 0 --model_dir "$folder/several" --label_column tags --max_steps 1 \
    --no_final_evaluation --output "$folder/more" >/dev/null
  key more '"problem_type":"multi_label_classification"'
  sed 's/"problem_type": *"[a-z_]*"/"problem_type": "ranking"/' "$folder/score/config.json" >"$folder/ranking.json"
  cp "$folder/ranking.json" "$folder/score/config.json"
  program=$predict
  expect_error "an unknown problem_type" 1 "'ranking' is not supported (single_label_classification, multi_label_classification, regression are)" \
    --model_dir "$folder/score" --text x
  ;;
mistakes)
  common+=(--max_steps 1 --no_final_evaluation)
  refuse() { expect_error "$1" "$2" "$3" "${common[@]}" "${@:4}"; }
  refuse "an unknown task" 2 "{single_label,multi_label,regression}" --task ranking
  refuse "a label that is no number" 1 "train.csv:2: the label 'common' of column 'label' is not a finite number" --task regression
  refuse "a label that is neither 0 nor 1" 1 "of column 'score' is neither 0 nor 1" --task multi_label --label_columns red,score
  refuse "an unknown column" 1 "blue" --task multi_label --label_columns red,blue
  refuse "a column twice" 2 "twice" --task multi_label --label_columns red,red
  refuse "several columns of one class" 2 "single_label reads one --label_column" --label_columns red,big
  refuse "two ways to name the columns" 2 "--label_column excludes --label_columns" --task multi_label --label_columns red,big --label_column tags
  refuse "a delimiter of fields with one label" 2 "--label_delimiter excludes --label_columns" --task multi_label --label_columns red,big --label_delimiter ";"
  refuse "a delimiter of another task" 2 "--label_delimiter belongs to --task multi_label, not to single_label" --label_delimiter ";"
  refuse "a number of classes of another task" 2 "--num_classes belongs to --task single_label, not to multi_label" --task multi_label --label_column tags --num_classes 3
  refuse "too few weights" 2 "--class_weights: there are 1 numbers for 2 classes or labels" --class_weights 3
  refuse "a class named twice" 2 "--class_weights: 'rare' is named twice" --class_weights rare=2,rare=3
  refuse "a weight that is no number" 2 "--class_weights: 'x' is not a number" --class_weights x,1
  refuse "an infinite weight" 2 "--class_weights: the weight inf is not a finite number" --class_weights inf,1
  refuse "a weight that is not a number" 2 "--class_weights: the weight nan is not a finite number" --class_weights nan,1
  refuse "a weight of no class" 2 "--class_weights: 'blue' is no class or label of the data" --class_weights blue=2
  refuse "balanced weights of a class without examples" 1 "balanced class weights need an example of every class; 'LABEL_2' has none" \
    --label_column red --num_classes 3 --class_weights balanced
  refuse "class weights of another task" 2 "--class_weights belongs to --task single_label, not to multi_label" \
    --task multi_label --label_column tags --class_weights balanced
  refuse "smoothing of another task" 2 "--label_smoothing belongs to --task single_label, not to regression" \
    --task regression --label_column score --label_smoothing 0.1
  refuse "smoothing of 1" 2 "must be at least 0 and below 1" --label_smoothing 1
  refuse "smoothing that is not a number" 2 "must be at least 0 and below 1" --label_smoothing nan
  refuse "a threshold of 1" 2 "--threshold: 1 is not in (0, 1)" --task multi_label --label_column tags --threshold 1
  refuse "too many thresholds" 2 "--threshold: there are 4 numbers for 3 classes or labels" --task multi_label --label_column tags \
    --threshold 0.1,0.2,0.3,0.4
  refuse "a threshold of another task" 2 "--threshold belongs to --task multi_label, not to single_label" --threshold 0.5
  # Labels that look like a mistake are no class until they are asked for.
  suspect() { rm -rf "$folder/suspect" && cp -r "$folder/data" "$folder/suspect"; }
  suspect && sed -i '9s/,common,/,comon,/; 9s/,rare,/,comon,/' "$folder/suspect/train.csv"
  refuse "a mistyped label" 1 "train.csv: 'comon' has a single example, row 8; the nearest other label is 'common'" --data "$folder/suspect"
  "$train_gpt" "${common[@]}" --data "$folder/suspect" --trust_labels >"$folder/out"
  grep -qE '^Examples +train +validation +test$' "$folder/out" || fail "no table of the classes"
  grep -qE '^comon +1 +0 +0$' "$folder/out" || fail "no count of a class: $(head -4 "$folder/out")"
  suspect && sed -i '5s/,[01],\([01],[01],[^,]*\)$/,99999,\1/' "$folder/suspect/train.csv"
  for pass in "" --no_cache; do
    refuse "a label far from the others" 1 "train.csv: row 4 has the label 99999, but no row has the label 2; --trust_labels" --data "$folder/suspect" --label_column red $pass
  done
  suspect && sed -i '2,$s/,[01],\([01],[01],[^,]*\)$/,0,\1/' "$folder/suspect/train.csv"
  refuse "a single class" 1 "train.csv: every row has the label 0; at least two classes are needed" --data "$folder/suspect" --label_column red
  "$train_gpt" "${common[@]}" --data "$folder/suspect" --label_column red --trust_labels --max_steps 1 --no_final_evaluation >"$folder/out" 2>"$folder/err"
  expect "a warning of a trusted class" "warning: $folder/suspect/train.csv: every row has the label 0" "$(grep -v 'texts that occur before' "$folder/err")"
  suspect && sed -i '2,$s/,rare,/,common,/' "$folder/suspect/train.csv"
  refuse "a single class with a name" 1 "train.csv: every label is 'common'; at least two classes are needed" --data "$folder/suspect" --trust_labels
  # White space around a label, and zeros before it, make no other class.
  suspect && sed -i '9s/,common,/,common ,/; 9s/,rare,/,rare ,/' "$folder/suspect/train.csv"
  for pass in "" --no_cache --trust_labels; do
    refuse "another spelling of a label" 1 " ' is another spelling of '" --data "$folder/suspect" $pass
  done
  for split in validation test; do
    suspect && sed -i '9s/,common,/, common,/; 9s/,rare,/, rare,/' "$folder/suspect/$split.csv"
    for pass in "" --no_cache --trust_labels; do
      refuse "another spelling in $split" 1 "$split.csv:9: the label ' $(sed -n '9s/.*, \(common\|rare\),.*/\1/p' "$folder/suspect/$split.csv")' is not one of the 2 classes" --data "$folder/suspect" $pass
    done
  done
  for odd in 007 -1 4294967296; do
    suspect && sed -i '5s/,[01],\([01],[01],[^,]*\)$/,'"$odd"',\1/' "$folder/suspect/train.csv"
    refuse "the label $odd" 1 "train.csv:5: the label '$odd' is no class: if all labels are integers, they are 0 .. 99999" --data "$folder/suspect" --label_column red
    refuse "the label $odd, trusted" 1 "train.csv:5: the label '$odd' is no class" --data "$folder/suspect" --label_column red --trust_labels
  done
  suspect && sed -i '9s/"\([^"]*\)",\([01],[01],[01],[^,]*\)$/"odl",\2/' "$folder/suspect/train.csv"
  refuse "a mistyped label of a list" 1 "'odl' has a single example, row 8; the nearest other label is 'old'" --data "$folder/suspect" --task multi_label --label_column tags
  suspect && sed -i '3s/,common,/,commom,/; 3s/,rare,/,commom,/' "$folder/suspect/test.csv"
  refuse "an unknown label of the test file" 1 "test.csv:3: the label 'commom' is not one of the 2 classes (common, rare); did you mean 'common'?" --data "$folder/suspect"
  sed -i '3s/,[^,]*$/,nan/' "$folder/data/validation.csv"
  refuse "a score that is not finite" 1 "validation.csv:3: the label 'nan' of column 'score' is not a finite number" \
    --task regression --label_column score
  program=$train_bert
  mkdir "$folder/bert"
  echo '{"model_type": "bert", "problem_type": "ranking"}' >"$folder/bert/config.json"
  printf '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\n' >"$folder/bert/vocab.txt"
  expect_error "a folder of another kind of problem" 1 "'ranking' is not supported" --model_dir "$folder/bert" --data "$folder/data"
  ;;
device)
  export ATTUNE_SIMULATE_GPU=1 ATTUNE_MATMUL_CACHE=$folder/matmul.txt
  common+=(--max_steps 3 --no_final_evaluation --batch_size 4)
  losses() { sed -n 's/.*"loss": *\([^,]*\), *"learning.*/\1/p' "$folder/$1.log"; }
  apart() { paste -d' ' <(losses "$1") <(losses "$2") | awk '{d = ($1 - $2) / $2; if (d < 0) d = -d; if (d > m) m = d} END {print (NR == 3 && m <= 1e-5) ? "agree" : "differ"}'; }
  for task in "several --task multi_label --label_column tags --positive_weights balanced" "score --task regression --label_column score" \
    "weighted --class_weights balanced --label_smoothing 0.1"; do
    read -r name flags <<<"$task"
    # shellcheck disable=SC2086
    train "$name-cpu" $flags; train "$name" $flags --device cuda; train "$name-again" $flags --device cuda; train "$name-direct" $flags --device cuda --no_graphs
    expect "$name on both devices" agree "$(apart "$name" "$name-cpu")"
    for other in again direct; do
      cmp "$folder/$name/model.safetensors" "$folder/$name-$other/model.safetensors" || fail "$name: equal runs differ ($other)"
    done
  done
  ;;
esac
finish
