#!/usr/bin/env bash
# train_logreg on the command line: small folders learnt, saved and evaluated again, and what it says about mistakes.
#
# usage: train_logreg_test.sh TRAIN_LOGREG
set -euo pipefail
train_logreg=$1
program=$train_logreg
. "$(dirname "$0")/checks.sh"
# make_folder NAME: a copy of the good folder, to be spoilt
make_folder() { rm -rf "${folder:?}/$1" && cp -r "$folder/good" "$folder/$1"; }

# The word decides the class; "the" is in every text, case and single letters do not matter.
mkdir "$folder/good"
{
  echo text,label
  for _ in 1 2 3 4 5 6; do printf 'The good film,1\n"a ""GOOD"", good the",1\nthe bad film,0\n'; done
  echo 'the bad one x,0'
} >"$folder/good/train.csv"
printf 'text,label\nGood!,1\nthe bad,0\n' >"$folder/good/validation.csv"
printf 'text,label\nunheard of,0\ngood,1\nbad,0\nbad bad,1\n' >"$folder/good/test.csv"

out=$("$train_logreg" --data "$folder/good" --top 1 --output "$folder/model/new")
expect "accuracies" $'Dummy classifier:\nTraining accuracy: 63.16%\nValidation accuracy: 50.00%\nTest accuracy: 50.00%
Logistic regression classifier:\nTraining accuracy: 100.00%\nValidation accuracy: 100.00%' \
  "$(grep -E 'classifier:|accuracy' <<<"$out" | head -7)"
expect "words" $'bad\ngood' "$(grep -A1 Strongest <<<"$out" | awk 'NF == 2 {print $2}')"
expect "vocabulary" '["bad","film","good","one","the"]' "$(cat "$folder/model/new/vocabulary.json")"
again=$("$train_logreg" --data "$folder/good" --top 1 --load "$folder/model/new" --threads 1)
expect "loaded again" "$(grep -A99 '^Logistic' <<<"$out")" "$(grep -A99 '^Logistic' <<<"$again")"

# Names as labels, three classes, columns of other names and order.
mkdir "$folder/names"
printf 'kind,body\nhot,fire sun\ncold,ice snow\nwet,rain sea\nhot,sun\ncold,snow\nwet,rain\n' >"$folder/names/train.csv"
cp "$folder/names/train.csv" "$folder/names/validation.csv"
cp "$folder/names/train.csv" "$folder/names/test.csv"
columns=(--text_column body --label_column kind)
out=$("$train_logreg" --data "$folder/names" "${columns[@]}" --top 1 --C 10 --output "$folder/model/names")
expect "three classes" "Test accuracy: 100.00%" "$(grep Test <<<"$out" | tail -1)"
expect "their words" "snow sun rain" "$(grep -A1 Strongest <<<"$out" | awk 'NF == 2 {print $2}' | xargs)"
out=$("$train_logreg" --data "$folder/names" "${columns[@]}" --load "$folder/model/names")
expect "three classes loaded" "Test accuracy: 100.00%" "$(grep Test <<<"$out" | tail -1)"

expect_error "no folder" 1 "train.csv" --data "$folder/nowhere"
make_folder bad && rm "$folder/bad/test.csv"
expect_error "a file is missing" 1 "test.csv" --data "$folder/bad"
expect_error "a column is missing" 1 "no_such_column" --data "$folder/good" --text_column no_such_column
make_folder bad && echo 'more,7' >>"$folder/bad/test.csv"
expect_error "a class training never saw" 1 "test.csv:6" --data "$folder/bad"
make_folder bad && echo 'more,' >>"$folder/bad/validation.csv"
expect_error "an empty label" 1 "validation.csv:4" --data "$folder/bad"
make_folder bad && echo '"more,1' >>"$folder/bad/train.csv"
expect_error "an open quote" 1 "train.csv:21" --data "$folder/bad"
make_folder bad && printf 'text,label\ngood,1\nbad,1\n' >"$folder/bad/train.csv"
expect_error "one class" 1 "at least two classes are needed" --data "$folder/bad"
make_folder bad && printf 'text,label\na,1\nb,0\n' >"$folder/bad/train.csv"
expect_error "no words" 1 "vocabulary is empty" --data "$folder/bad" --trust_labels
expect_error "C" 2 "--C" --data "$folder/good" --C 0
expect_error "threads" 2 "--threads" --data "$folder/good" --threads -1
for of_training in "--output $folder/x" "--C 2" "--tolerance 1e-3" "--max_iterations 5" --trust_labels; do
  # shellcheck disable=SC2086  # options are words
  expect_error "--load and $of_training" 2 "${of_training% *} excludes --load" --data "$folder/good" --load "$folder/model/new" $of_training
done
expect_error "nothing to load" 1 "config.json" --data "$folder/good" --load "$folder/nowhere"
printf '[]' >"$folder/model/new/vocabulary.json"
expect_error "a broken model" 1 "vocabulary.json" --data "$folder/good" --load "$folder/model/new"
touch "$folder/file"
expect_error "output below a file" 1 "$folder/file" --data "$folder/good" --output "$folder/file/below"
expect_error "too few iterations" 0 "not converged" --data "$folder/good" --max_iterations 1

# Labels that look like a mistake.
make_folder bad
printf 'a text,7\n' >>"$folder/bad/train.csv"
expect_error "a gap in the labels" 1 "train.csv: row 20 has the label 7, but no row has the label 2; --trust_labels" --data "$folder/bad"
"$train_logreg" --data "$folder/bad" --trust_labels --top 0 >"$folder/out"
grep -qE '^LABEL_7 +1 +0 +0$' "$folder/out" || fail "no count of a trusted class"

finish
