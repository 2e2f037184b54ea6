#!/usr/bin/env bash
# evaluate on the command line: the measures of every task, compared with those that awk computes from the output of predict; groups,
# mistakes, bags of words, JSON and tables; and what is said about mistakes of the user.
#
# usage: evaluate_test.sh EVALUATE PREDICT TRAIN_GPT TRAIN_LOGREG TOKENIZE
set -euo pipefail
evaluate=$1 predict=$2 train_gpt=$3 train_logreg=$4 tokenize=$5
program=$evaluate
. "$(dirname "$0")/checks.sh"

task_data
train() {
  "$train_gpt" --data "$folder/data" --tokenizer "$folder/tokenizer" --weights random --initializer gpt2 --config "$folder/config.json" \
    --context_length 16 --average_embeddings --trainable_layers all --learning_rate 3e-3 --batch_size 16 --eval_freq 0 --seed 5 --threads 2 \
    --output "$folder/$1" --log_file "$folder/$1.log" "${@:2}" >/dev/null
}
train class --max_steps 6 --class_weights balanced
train pairs --max_steps 6 --class_weights balanced --text_pair_column tags
train several --max_steps 12 --task multi_label --label_column tags
train columns --max_steps 12 --task multi_label --label_columns red,big,old --threshold 0.4
train score --max_steps 12 --task regression --label_column score
train scores --max_steps 12 --task regression --label_columns score,red
test=$folder/data/test.csv
json() { "$evaluate" --model_dir "$folder/$1" --data "$test" --json "${@:2}" | tr -d ' \n'; }
# value OBJECT MEMBER JSON: a number of "measures", or of an output or a group.
value() { sed -n "s/.*\"$1\":{[^}]*\"$2\":\([^,}]*\).*/\1/p" <<<"$3"; }
# close NAME EXPECTED ACTUAL: equal to six digits; undefined is null.
close() {
  checks=$((checks + 1))
  awk -v a="$2" -v b="$3" 'BEGIN {if (a == "null" || b == "null") exit a != b; d = a - b; if (d < 0) d = -d; exit !(a != "" && b != "" && d <= 1e-6 * (1 + (a < 0 ? -a : a)))}' ||
    fail "$1: expected $2, got $3"
}
# What training says of the same split.
logged() { grep '"split": *"test"' "$folder/$1.log" | sed -n "s/.*\"$2\": *\([^,}]*\).*/\1/p"; }
# column N: a column of the test file, in which tags may contain commas.
column() {
  awk -v n="$1" 'NR > 1 {
    match($0, /"[^"]*"/); tags = substr($0, RSTART + 1, RLENGTH - 2)
    split(substr($0, 1, RSTART - 1) "tags" substr($0, RSTART + RLENGTH), fields, ","); print n == 3 ? tags : fields[n]
  }' "$test"
}

# The model predicts both classes.
# One class. awk has the label and the probability of "rare" in every line.
"$predict" --model_dir "$folder/class" --csv "$test" --format csv | sed 1d | cut -d, -f3 | paste -d' ' <(column 2) - >"$folder/rare"
found=$(json class)
awk '{y[NR] = $1 == "rare"; p[NR] = $2; predicted = p[NR] > 0.5; ++count[y[NR], predicted]; q = y[NR] ? p[NR] : 1 - p[NR]; loss -= log(q); brier += 2 * (1 - q) ^ 2}
  END {
    tp = count[1, 1] + 0; fn = count[1, 0] + 0; fp = count[0, 1] + 0; tn = count[0, 0] + 0
    print "accuracy", (tp + tn) / NR; print "balanced_accuracy", (tp / (tp + fn) + tn / (tn + fp)) / 2
    f_rare = 2 * tp / (2 * tp + fp + fn); f_common = 2 * tn / (2 * tn + fp + fn)
    print "f1_macro", (f_rare + f_common) / 2; print "f1_micro", (tp + tn) / NR; print "f1_weighted", (f_rare * (tp + fn) + f_common * (tn + fp)) / NR
    d = sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)); print "mcc", d == 0 ? 0 : (tp * tn - fp * fn) / d
    print "log_loss", loss / NR; print "loss", loss / NR; print "brier", brier / NR
    for (i = 1; i <= NR; ++i) for (j = 1; j <= NR; ++j) if (y[i] && !y[j]) {++pairs; area += p[i] > p[j] ? 1 : p[i] == p[j] ? 0.5 : 0}
    print "roc_auc", area / pairs
    for (i = 1; i <= NR; ++i) {c = p[i] > 0.5 ? p[i] : 1 - p[i]; b = int(c * 15); if (b == c * 15) --b; gap[b] += c - (y[i] == (p[i] > 0.5))}
    for (b in gap) ece += gap[b] < 0 ? -gap[b] : gap[b]; print "ece", ece / NR
    print "matrix", "[[" tn "," fp "],[" fn "," tp "]]"; print "rare.recall", tp / (tp + fn); print "rare.precision", tp + fp == 0 ? 0 : tp / (tp + fp); print "common.support", tn + fp
  }' "$folder/rare" >"$folder/expected"
while read -r name expected; do
  case $name in
  matrix) expect "the confusion matrix" "$expected" "$(sed -n 's/.*"confusion_matrix":\(\[\[.*\]\]\).*/\1/p' <<<"$found")" ;;
  *.*) close "$name" "$expected" "$(value "${name%.*}" "${name#*.}" "$found")" ;;
  *) close "$name" "$expected" "$(value measures "$name" "$found")" ;;
  esac
done <"$folder/expected"
expect "all of the classes' measures were compared" 15 "$(wc -l <"$folder/expected")"
for name in accuracy f1_macro log_loss average_precision; do close "training's $name" "$(logged class $name)" "$(value measures $name "$found")"; done
expect "batches change nothing" "$found" "$(json class --batch_size 7 --threads 1)"

# Several labels.
found=$(json several --label_column tags)
"$predict" --model_dir "$folder/several" --csv "$test" --format csv | sed 1d | cut -d, -f2-4 | tr , ' ' | paste -d' ' - <(column 4) <(column 5) <(column 6) >"$folder/flags"
# Probabilities of big, old, red; then the flags red, big, old.
awk '{n = 0; p[1] = $1; p[2] = $2; p[3] = $3; y[1] = $5; y[2] = $6; y[3] = $4; wrong = 0
    for (k = 1; k <= 3; ++k) {z = p[k] > 0.5; tp[k] += z && y[k]; fp[k] += z && !y[k]; fn[k] += !z && y[k]; wrong += z != y[k]; loss -= log(y[k] ? p[k] : 1 - p[k])}
    right += wrong == 0; all += wrong}
  END {for (k = 1; k <= 3; ++k) {a += tp[k]; b += fp[k]; c += fn[k]; d = 2 * tp[k] + fp[k] + fn[k]; macro += d == 0 ? 0 : 2 * tp[k] / d}
    print "f1_micro", 2 * a / (2 * a + b + c); print "f1_macro", macro / 3; print "subset_accuracy", right / NR; print "hamming_loss", all / NR / 3; print "loss", loss / NR / 3}' \
  "$folder/flags" >"$folder/expected"
while read -r name expected; do close "several labels: $name" "$expected" "$(value measures "$name" "$found")"; done <"$folder/expected"
expect "all of the labels' measures were compared" 5 "$(wc -l <"$folder/expected")"
close "the recall of a label" "$(logged several recall.old)" "$(value old recall "$found")"
expect "several labels have no confusion matrix" "" "$(grep -o confusion <<<"$found" || true)"
# The columns in any order; thresholds are those of the folder.
found=$(json columns --label_columns old,red,big)
for name in f1_micro subset_accuracy; do close "labels in columns: $name" "$(logged columns $name)" "$(value measures $name "$found")"; done
expect "columns with the names of the labels are found" "$found" "$(json columns)"
close "the F1 of a column" "$(logged columns f1.big)" "$(value big f1 "$found")"

# Numbers.
found=$(json score --label_column score)
"$predict" --model_dir "$folder/score" --csv "$test" --format csv | sed 1d | paste -d' ' - <(column 7) |
  awk '{x[NR] = $1; y[NR] = $2; a += $1; b += $2; d = $1 - $2; mse += d * d; mae += d < 0 ? -d : d}
    END {for (i = 1; i <= NR; ++i) {xx += (x[i] - a / NR) ^ 2; yy += (y[i] - b / NR) ^ 2; xy += (x[i] - a / NR) * (y[i] - b / NR)}
      print "mse", mse / NR; print "loss", mse / NR; print "mae", mae / NR; print "pearson", xy / sqrt(xx * yy); print "r2", 1 - mse / yy}' >"$folder/expected"
while read -r name expected; do close "numbers: $name" "$expected" "$(value measures "$name" "$found")"; done <"$folder/expected"
close "numbers: spearman" "$(logged score spearman)" "$(value measures spearman "$found")"
found=$(json scores)
close "several numbers in the columns of their names" "$(logged scores mse.red)" "$(value red mse "$found")"

# Groups: the rows with and without the word big are evaluated as files of their own.
found=$(json class --per_group big)
for group in 0 1; do
  { head -1 "$test"; grep -E ",[01],$group,[01],[^,]*$" "$test"; } >"$folder/group.csv"
  alone=$("$evaluate" --model_dir "$folder/class" --data "$folder/group.csv" --json | tr -d ' \n')
  for name in accuracy mcc log_loss roc_auc; do
    close "$name of group $group" "$(value measures $name "$alone")" "$(value $group $name "$found")"
  done
  expect "examples of group $group" $(($(wc -l <"$folder/group.csv") - 1)) "$(value $group examples "$found")"
done

# Pairs: the tags as second texts.
"$predict" --model_dir "$folder/pairs" --csv "$test" --pair_column tags --format csv | sed 1d | cut -d, -f3 | paste -d' ' <(column 2) - |
  awk '{loss -= log($1 == "rare" ? $2 : 1 - $2)} END {print loss / NR}' >"$folder/loss"
close "pairs" "$(cat "$folder/loss")" "$(value measures log_loss "$(json pairs --text_pair_column tags)")"
expect_error "single texts for a model of pairs" 1 "pairs: the model was trained on pairs of texts, and these are single texts" --model_dir "$folder/pairs" --data "$test"
expect_error "pairs for a model of single texts" 1 "class: the model was trained on single texts, and these are pairs" --model_dir "$folder/class" --data "$test" --text_pair_column tags

# The tables.
"$evaluate" --model_dir "$folder/class" --data "$test" --per_group big >"$folder/table"
grep -qF "$test: 80 examples" "$folder/table" || fail "no count of examples"
grep -qE "^accuracy  +$(printf %.4f "$(value measures accuracy "$found")")$" "$folder/table" || fail "no accuracy: $(cat "$folder/table")"
grep -qE '^ +precision +recall +f1 +support +roc_auc +average_precision$' "$folder/table" || fail "no table of the classes"
grep -qE '^ +common +rare$' "$folder/table" || fail "no confusion matrix"
grep -qE '^group +examples +accuracy +balanced_accuracy +f1_macro +mcc +log_loss$' "$folder/table" || fail "no table of the groups"

# The largest losses, of one class and of the other tasks.
found=$("$evaluate" --model_dir "$folder/class" --data "$test" --json --mistakes 3 | tr -d '\n')
worst=$(awk '{q = $1 == "rare" ? $2 : 1 - $2; print -log(q), NR}' "$folder/rare" | sort -s -g -r | head -3 | cut -d' ' -f2 | xargs)
expect "the rows with the largest losses" "$worst" "$(grep -o '"row": *[0-9]*' <<<"$found" | grep -o '[0-9]*$' | xargs)"
grep -qF "\"text\": \"$(column 1 | sed -n "${worst%% *}p")\"" <<<"$found" || fail "the text of the worst mistake"
"$evaluate" --model_dir "$folder/class" --data "$test" --mistakes 2 | grep -A3 '^Largest losses' >"$folder/table"
expect "lines of mistakes" 4 "$(wc -l <"$folder/table")"
grep -qE "^row +loss +label +prediction +text$" "$folder/table" || fail "the header of the mistakes"
grep -qE "^${worst%% *} +[0-9.]+ +(common|rare) +(common|rare) [0-9.]+%  ?[a-z]" "$folder/table" || fail "the worst mistake: $(cat "$folder/table")"
expect "mistakes of several labels" 2 "$(json several --label_column tags --mistakes 2 | grep -o '"row"' | wc -l)"
expect "mistakes of numbers" 2 "$(json score --label_column score --mistakes 2 | grep -o '"row"' | wc -l)"

# The labels that predict writes are read again: every one of them is found.
"$predict" --model_dir "$folder/several" --csv "$test" --format csv --threads 1 | cut -d, -f1 | sed 1s/labels/tags/ | paste -d, <(cut -d, -f1 "$test") - >"$folder/predicted.csv"
grep -q ';' "$folder/predicted.csv" || fail "no text has several labels"
close "labels that were written and read" 1 "$(value measures subset_accuracy \
  "$("$evaluate" --model_dir "$folder/several" --data "$folder/predicted.csv" --label_column tags --label_delimiter ';' --json | tr -d ' \n')")"
sed '1s/red,big/red;big,big/' "$folder/data/train.csv" >"$folder/separator.csv"
"$train_gpt" --train "$folder/separator.csv" --tokenizer "$folder/tokenizer" --weights random --config "$folder/config.json" --context_length 16 \
  --max_steps 1 --no_final_evaluation --task multi_label --label_columns "red;big,old" --output "$folder/separator" >/dev/null
program=$predict expect_error "a label with the separator" 2 "--format csv separates labels by ;, which the label 'red;big' has in it; --format jsonl writes a list" \
  --model_dir "$folder/separator" --csv "$test" --format csv
expect "a label with the separator in JSON" 80 "$("$predict" --model_dir "$folder/separator" --csv "$test" --format jsonl | grep -c '^{"labels"')"

# A bag of words; other columns, and a file of another form.
"$train_logreg" --data "$folder/data" --output "$folder/words" >"$folder/words.out"
of_transformers="--tokenizer, --device, --precision and --attention belong to transformers, and $folder/words has a bag of words"
for program in "$evaluate" "$predict"; do
  for tokenizer in "$folder/tokenizer" "$folder/none"; do
    expect_error "--tokenizer of a bag of words" 2 "$of_transformers" --model_dir "$folder/words" --data "$test" --tokenizer "$tokenizer"
  done
  { "$program" --model_dir "$folder/words" --data "$test" --precision bf16 2>&1 || true; } | grep -qF -- "$of_transformers" || fail "--precision of a bag of words"
done
program=$evaluate
accuracy=$(grep 'Test accuracy' "$folder/words.out" | tail -1 | sed 's/.*: \(.*\)%/\1/')
expect "a bag of words" "$accuracy" "$(value measures accuracy "$(json words)" | awk '{printf "%.2f", 100 * $1}')"
sed '1s/text,label/review,kind/' "$test" >"$folder/other.csv"
expect "columns with other names" "$(value measures accuracy "$(json class)")" \
  "$(value measures accuracy "$("$evaluate" --model_dir "$folder/class" --data "$folder/other.csv" --label_column kind --json 2>"$folder/notes" | tr -d ' \n')")"
expect "where they were found" "Columns of $folder/other.csv: texts from review" "$(cat "$folder/notes")"
column 1 | paste -d'\t' - <(column 2) | sed 's/\(.*\)\t\(.*\)/{"text": "\1", "label": "\2"}/' >"$folder/other.jsonl"
expect "JSON lines" "$(value measures log_loss "$(json class)")" \
  "$(value measures log_loss "$("$evaluate" --model_dir "$folder/class" --data "$folder/other.jsonl" --json | tr -d ' \n')")"

# Mistakes of the user.
refuse() { expect_error "$1" "$2" "$3" --model_dir "$folder/$4" --data "$5" "${@:6}"; }
sed '5s/,common,/,comon,/; 5s/,rare,/,comon,/' "$test" >"$folder/comon.csv"
refuse "an unknown class" 1 "comon.csv:5: the label 'comon' is not one of the 2 classes (common, rare); did you mean 'common'?" class "$folder/comon.csv"
sed '7s/"[^"]*"/"blu"/' "$test" >"$folder/blu.csv"
refuse "an unknown label" 1 "blu.csv:7: the label 'blu' is not one of the 3 labels (big, old, red)" several "$folder/blu.csv" --label_column tags
sed '3s/,[^,]*$/,many/' "$test" >"$folder/many.csv"
refuse "a label that is no number" 1 "many.csv:3: the label 'many' of column 'score' is not a finite number" score "$folder/many.csv" --label_column score
refuse "columns of other labels" 2 "--label_columns red, big: the outputs of the model are red, big, old" columns "$test" --label_columns red,big
refuse "columns for one class" 2 "--label_columns: the model predicts one class" class "$test" --label_columns red,big
refuse "a delimiter for one class" 2 "--label_delimiter separates several labels of a text, and the model predicts one class" class "$test" --label_delimiter ";"
refuse "a delimiter for numbers" 2 "and the model predicts numbers" score "$test" --label_delimiter ";"
refuse "a delimiter of fields with one label" 2 "--label_delimiter excludes --label_columns" columns "$test" --label_columns red,big,old --label_delimiter ";"
refuse "two ways to name the columns" 2 "--label_column excludes --label_columns" columns "$test" --label_columns red,big,old --label_column tags
refuse "an unknown column" 1 "no_such" class "$test" --per_group no_such
refuse "an unknown text column" 1 "no_such" class "$test" --text_column no_such
refuse "no file" 1 "$folder/none.csv" class "$folder/none.csv"
refuse "no model" 1 "config.json" none "$test"
head -1 "$test" >"$folder/empty.csv"
refuse "no rows" 1 "empty.csv: there are no rows below the header" class "$folder/empty.csv"
refuse "a negative number of mistakes" 2 "--mistakes: must be from 0" class "$test" --mistakes -1
expect_error "no data" 2 "--data is required" --model_dir "$folder/class"
for flag in --model_dir --data --label_column --per_group --mistakes --json --device --precision; do
  "$evaluate" --help | grep -q -- "$flag" || fail "--help does not name $flag"
done
finish
