#!/usr/bin/env bash
# Where a run's data comes from: every form of a file gives the same run, and what the programs say about mistakes.
#
# usage: data_test.sh TRAIN_GPT TRAIN_BERT TRAIN_LOGREG TOKENIZE PREPARE_IMDB
set -euo pipefail
train_gpt=$1 train_bert=$2 train_logreg=$3 tokenize=$4 prepare_imdb=$5
program=$train_gpt
. "$(dirname "$0")/checks.sh"

invented_data 41 300
small_gpt2 300
common=(--tokenizer "$folder/tokenizer" --weights random --config "$folder/config.json" --context_length 16 --threads 1 --eval_freq 0 --max_steps 3
  --no_final_evaluation --trainable_layers all)

# The same rows in every form, without the characters that some of them quote.
forms="tsv jsonl json ndjson"
for split in train validation test; do
  csv=$folder/data/$split.csv
  sed -i '1!{s/,\([01]\)$/\t\1/; s/[",\\]//g; s/\t/,/}' "$csv"
  sed 's/,/\t/' "$csv" >"$folder/$split.tsv"
  tail -n +2 "$csv" | sed 's/^\(.*\),\([01]\)$/{"id": 7, "label": \2, "text": "\1"}/' >"$folder/$split.jsonl"
  cp "$folder/$split.jsonl" "$folder/$split.json" && cp "$folder/$split.jsonl" "$folder/$split.ndjson"
done
train() { "$train_gpt" "${common[@]}" "${@:2}" --output "$folder/run_$1" >"$folder/$1.out"; }
same() { cmp "$folder/run_data/model.safetensors" "$folder/run_$1/model.safetensors" || fail "$1: another run"; }
train data --data "$folder/data"
for form in $forms; do
  train "$form" --train "$folder/train.$form" --validation "$folder/validation.$form" --test "$folder/test.$form"
  same "$form"
  train "$form" --train "$folder/train.$form" --validation "$folder/validation.$form" --test "$folder/test.$form"
  expect "stored ids of $form" 3 "$(grep -c '^Token ids of .*: from ' "$folder/$form.out")"
  same "$form"
done
train mixed --train "$folder/data/train.csv" --validation "$folder/validation.tsv" --test "$folder/test.jsonl"
same mixed

# A folder of texts: the first text of each class, then the second.
mkdir "$folder/ordered"
for split in train validation test; do
  for class in 0 1; do
    mkdir -p "$folder/texts/$split/$class"
    grep ",$class\$" "$folder/data/$split.csv" | head -9 >"$folder/class$class"
    for i in 1 2 3 4 5 6 7 8 9; do sed -n "${i}s/,[01]\$//p" "$folder/class$class" >"$folder/texts/$split/$class/$i.txt"; done
  done
  { echo text,label; paste -d '\n' "$folder/class0" "$folder/class1"; } >"$folder/ordered/$split.csv"
done
train data --data "$folder/ordered"
texts=(--train "$folder/texts/train" --validation "$folder/texts/validation" --test "$folder/texts/test")
train texts "${texts[@]}"
same texts
train texts "${texts[@]}"
expect "stored ids of texts" 3 "$(grep -c '^Token ids of .*: from ' "$folder/texts.out")"
mv "$folder/texts/train/0/9.txt" "$folder/texts/train/1/90.txt"
train texts "${texts[@]}"
expect "stored ids after a file is moved" 2 "$(grep -c '^Token ids of .*: from ' "$folder/texts.out")"
expect_error "a log among the texts" 1 "the run reads the texts in $folder/texts/test" "${common[@]}" "${texts[@]}" --log_file "$folder/texts/test/0/1.txt"

mkfifo "$folder/texts/test/0/pipe.txt"
for cache in "" --no_cache; do
  expect_error "a FIFO among the texts $cache" 1 "$folder/texts/test/0/pipe.txt: is not a regular file" "${common[@]}" "${texts[@]}" $cache
done
program=$train_logreg expect_error "a FIFO among the texts of train_logreg" 1 "$folder/texts/test/0/pipe.txt: is not a regular file" "${texts[@]}"
rm "$folder/texts/test/0/pipe.txt"

# The other programs read the same.
"$train_logreg" --data "$folder/ordered" --output "$folder/bag_data" >/dev/null
for form in tsv jsonl; do
  "$train_logreg" --train "$folder/train.$form" --validation "$folder/validation.$form" --test "$folder/test.$form" --output "$folder/bag_$form" >/dev/null
done
cmp "$folder/bag_tsv/model.safetensors" "$folder/bag_jsonl/model.safetensors" || fail "train_logreg: another model of JSON lines"
mv "$folder/texts/train/1/90.txt" "$folder/texts/train/0/9.txt"
"$train_logreg" "${texts[@]}" --output "$folder/bag_texts" >/dev/null
cmp "$folder/bag_data/model.safetensors" "$folder/bag_texts/model.safetensors" || fail "train_logreg: another model of a folder of texts"

# One file that is split: the shares, the classes, and the same run from the files that --split_output writes.
{ cat "$folder/data/train.csv"; tail -qn +2 "$folder/data/validation.csv" "$folder/data/test.csv"; } >"$folder/all.csv"  # 120 rows
rows() { for split in train validation test; do tail -n +2 "$1/$split.csv" | wc -l; done | xargs; }
train split --train "$folder/all.csv" --split_output "$folder/written"
grep -qx "Split of $folder/all.csv (--split): 0.8/0.1/0.1 with seed 123" "$folder/split.out" || fail "the split is not reported: $(cat "$folder/split.out")"
expect "rows of the usual shares" "96 12 12" "$(rows "$folder/written")"
expect "all rows" "$(sort "$folder/all.csv" | sha256sum)" "$({ cat "$folder/written/train.csv"; tail -qn +2 "$folder/written/validation.csv" "$folder/written/test.csv"; } | sort | sha256sum)"
train data --data "$folder/written"
same split
train split --train "$folder/all.csv"
expect "stored ids of a split" 3 "$(grep -c "^Token ids of $folder/all.csv (\(train\|validation\|test\)): from " "$folder/split.out")"
same split
train split --train "$folder/all.csv" --split 0.80/0.10/0.10 --threads 2 --no_cache
same split
train other --train "$folder/all.csv" --seed 124 --split_output "$folder/other"
if cmp -s "$folder/written/test.csv" "$folder/other/test.csv"; then fail "--seed does not change the split"; fi
train parts --train "$folder/all.csv" --test "$folder/test.tsv" --split_output "$folder/parts"
expect "rows with a test file" "108 12 40" "$(rows "$folder/parts")"
expect "the test file" "$(cat "$folder/data/test.csv")" "$(cat "$folder/parts/test.csv")"
"$train_logreg" --train "$folder/all.csv" --split 0.5/0.25/0.25 --split_output "$folder/halves" --output "$folder/bag_split" >/dev/null
expect "rows of other shares" "60 30 30" "$(rows "$folder/halves")"
"$train_logreg" --data "$folder/halves" --output "$folder/bag_data" >/dev/null
cmp "$folder/bag_data/model.safetensors" "$folder/bag_split/model.safetensors" || fail "train_logreg: another model of the written splits"

# A file that is sorted by its labels: a few rows of a split have every class, and the first rows of other files are said to have one.
{ head -1 "$folder/all.csv"; sed 1d "$folder/all.csv" | sort -t, -k2; } >"$folder/sorted.csv"
train few --train "$folder/sorted.csv" --max_train_examples 30 --max_eval_examples 6
few() { awk -v name="$1" '$1 == name {print $2, $3, $4}' "$folder/few.out"; }
expect "a few rows of a sorted file" "30 6 6" "$(few all)"
awk '{exit !($1 >= 10 && $1 <= 20 && $2 >= 2 && $2 <= 4 && $3 >= 2 && $3 <= 4)}' <<<"$(few LABEL_0)" || fail "rows of a class: $(cat "$folder/few.out")"
train few --train "$folder/all.csv" --test "$folder/sorted.csv" --max_eval_examples 6 2>"$folder/err"
expect "the first rows of a sorted file" "warning: $folder/sorted.csv, its first 6 rows (--max_eval_examples): all have one class; is the file sorted by its labels?" \
  "$(grep -v 'texts that occur' "$folder/err")"
expect_error "the first rows for training" 1 "sorted.csv, its first 20 rows (--max_train_examples): every row has the label" "${common[@]}" --train "$folder/sorted.csv" \
  --validation "$folder/all.csv" --test "$folder/all.csv" --max_train_examples 20

# Columns that no flag names.
renamed() { { echo "$1"; tail -n +2 "$folder/all.csv"; } >"$folder/$2.csv"; }
renamed Review,SENTIMENT usual
train usual --train "$folder/usual.csv" --split_output "$folder/usual"
grep -qx "Columns of $folder/usual.csv: texts from Review, labels from SENTIMENT" "$folder/usual.out" || fail "found columns are not reported: $(cat "$folder/usual.out")"
expect "written columns" Review,SENTIMENT "$(head -1 "$folder/usual/test.csv")"
same usual
train usual --data "$folder/usual"
same usual
renamed Review,text half
train half --train "$folder/half.csv" --text_column Review --label_column text
expect "columns that flags name" 0 "$(grep -c '^Columns' "$folder/half.out")"
same half
renamed body,label half
train half --train "$folder/half.csv"
grep -qx "Columns of $folder/half.csv: texts from body" "$folder/half.out" || fail "a found column is not reported"
same half
renamed Comment,class bag
"$train_logreg" --train "$folder/bag.csv" --split 0.5/0.25/0.25 --output "$folder/bag_columns" >"$folder/out"
grep -qx "Columns of $folder/bag.csv: texts from Comment, labels from class" "$folder/out" || fail "train_logreg: found columns are not reported"
cmp "$folder/bag_data/model.safetensors" "$folder/bag_columns/model.safetensors" || fail "train_logreg: another model of found columns"
renamed a,label none
expect_error "no usual column" 1 "none.csv: no column is called text, or sentence, review, content, comment, message, body, document; --text_column names one of 'a', 'label'" \
  "${common[@]}" --train "$folder/none.csv"
renamed text,kind none
expect_error "no usual column of labels" 1 "none.csv: no column is called label, or class, category, target, sentiment, y; --label_column names one of 'text', 'kind'" \
  "${common[@]}" --train "$folder/none.csv"
renamed review,body several
expect_error "several usual columns" 1 "several.csv: several columns may have the texts; --text_column names one of 'review', 'body'" "${common[@]}" --train "$folder/several.csv"
# No column is used twice.
expect_error "the column of the labels is that of the texts" 1 "half.csv: no other column is called label, or class" "${common[@]}" --train "$folder/half.csv" --text_column label
awk -F '\t' 'NR == 1 {print "message\tother\tlabel"} NR > 1 {print NR % 2 "\t" $1 "\t" $2}' "$folder/train.tsv" >"$folder/message.tsv"
expect_error "the texts are not in the column of the labels" 1 "message.tsv: no other column is called text, or sentence" \
  "${common[@]}" --train "$folder/message.tsv" --label_column message
sed '1s/.*/text\tbody\tlabel/' "$folder/message.tsv" >"$folder/body.tsv"
train body --train "$folder/body.tsv" --label_column text
grep -qx "Columns of $folder/body.tsv: texts from body" "$folder/body.out" || fail "the texts are in the column of the labels"
train body --train "$folder/body.tsv" --text_pair_column text
grep -qx "Columns of $folder/body.tsv: texts from body" "$folder/body.out" || fail "the texts are paired with themselves"
train body --train "$folder/body.tsv" --task regression --label_columns text,label
grep -qx "Columns of $folder/body.tsv: texts from body" "$folder/body.out" || fail "the texts are in one of the columns of the labels"
program=$train_logreg expect_error "train_logreg: no usual column" 1 "none.csv: no column is called label, or class" --train "$folder/none.csv"

# The table before the run, also from stored ids, and what is odd about the texts.
{ cat "$folder/all.csv"; tail -n 20 "$folder/all.csv"; printf ',0\n ,1\n'; } >"$folder/odd.csv"
for stored in 0 3; do
  "$train_gpt" "${common[@]}" --train "$folder/odd.csv" >"$folder/out" 2>"$folder/err"
  expect "stored ids of odd texts" $stored "$(grep -c '^Token ids' "$folder/out" || true)"
  sed -n '/^Examples/,/^cut/p' "$folder/out" >"$folder/table$stored"
  cp "$folder/err" "$folder/err$stored"
done
cmp "$folder/table0" "$folder/table3" || fail "another table from stored ids"
cmp "$folder/err0" "$folder/err3" || fail "other warnings from stored ids"
expect "all examples" 142 "$(awk '/^all/ {print $2 + $3 + $4}' "$folder/table0")"
expect "lines of the table" "Examples LABEL_0 LABEL_1 all median 95 longest cut" "$(awk '{print $1}' "$folder/table0" | xargs)"
expect "empty texts" 2 "$(sed -n 's/^warning: empty texts: //p' "$folder/err0" | grep -oE '[0-9]+ in' | awk '{n += $1} END {print n}')"
expect "repeated texts" 20 "$(sed -n 's/^warning: texts that occur before: //p' "$folder/err0" | grep -oE '[0-9]+ (in|of)' | awk '{n += $1} END {print n}')"
"$train_logreg" --train "$folder/odd.csv" >"$folder/out" 2>"$folder/err"
expect "warnings of train_logreg" "$(cat "$folder/err0")" "$(cat "$folder/err")"
"$train_gpt" "${common[@]}" --train "$folder/odd.csv" --task regression >"$folder/out" 2>/dev/null
expect "the table of numbers" "Examples all median 95 longest cut" "$(sed -n '/^Examples/,/^cut/p' "$folder/out" | awk '{print $1}' | xargs)"

# Mistakes.
three=(--train "$folder/train.tsv" --validation "$folder/validation.tsv" --test "$folder/test.tsv")
for program in "$train_gpt" "$train_bert" "$train_logreg"; do
  name=$(basename "$program")
  expect_error "$name: two sources" 2 "--data excludes --train" --data "$folder/data" "${three[@]}"
  expect_error "$name: validation data alone" 2 "--validation requires --train" --validation "$folder/validation.tsv"
done
for program in "$train_gpt" "$train_bert" "$train_logreg"; do
  name=$(basename "$program")
  expect_error "$name: a split of a folder" 2 "--split" --data "$folder/data" --split 0.8/0.1/0.1
done
program=$train_gpt
one=("${common[@]}" --train "$folder/all.csv")
expect_error "shares above 1" 2 "--split 0.8/0.1/0.2: the shares sum to 1.1, not to 1" "${one[@]}" --split 0.8/0.1/0.2
for shares in 0.8/0.2 0.8/0.1/0.1/0 0.8,0.1,0.1 80/10/10 1.1/-0.1/0 nan/0/1 0.8/0.1/0.1x; do
  expect_error "shares $shares" 2 "--split $shares: is not three shares from 0 to 1, as in 0.8/0.1/0.1" "${one[@]}" --split $shares
done
expect_error "no rows for training" 2 "the share of the train split must not be 0" "${one[@]}" --split 0/0.5/0.5
expect_error "no rows for the test" 2 "the share of the test split must not be 0, because it has no other file" "${one[@]}" --split 0.9/0.1/0
expect_error "a test split with a file" 2 "the share of the test split must be 0, because it has a file of its own" "${one[@]}" --test "$folder/test.tsv" --split 0.8/0.1/0.1
{ cat "$folder/all.csv"; printf 'a text,2\nanother,2\n'; } >"$folder/rare.csv"
expect_error "a class that a split leaves out" 1 "rare.csv: 'LABEL_2' has 2 rows: --split 0.8/0.1/0.1 leaves none for the test split" "${one[@]}" --train "$folder/rare.csv"
cp "$folder/all.csv" "$folder/written/train.csv"
expect_error "a split over its source" 1 "written/train.csv is a file that the run reads" "${one[@]}" --train "$folder/written/train.csv" --split_output "$folder/written"
mkdir "$folder/mine" && echo mine >"$folder/mine/validation.csv"
expect_error "splits over a file of the user" 1 "$folder/mine/validation.csv: is there with other contents and is not replaced" "${one[@]}" --train "$folder/all.csv" --split_output "$folder/mine"
expect "a file of the user" mine "$(cat "$folder/mine/validation.csv")"
expect_error "a folder for splits that cannot be, before the data are read" 1 "$folder/all.csv/below" "${one[@]}" --train "$folder/rare.csv" --split_output "$folder/all.csv/below"
expect "the source after it" "$(cat "$folder/all.csv")" "$(cat "$folder/written/train.csv")"
expect_error "a missing file" 1 "$folder/missing.csv: no such file" "${common[@]}" "${three[@]}" --validation "$folder/missing.csv"
cp "$folder/train.tsv" "$folder/train.txt"
expect_error "second texts that are labels" 2 "--text_pair_column and --label_column are one column, label" "${common[@]}" "${three[@]}" --text_pair_column label --label_column label
expect_error "texts that are among labels" 2 "--text_column and --label_columns are one column, text" "${common[@]}" "${three[@]}" --text_column text --task regression --label_columns text,label
expect_error "texts that are labels" 2 "--text_column and --label_column are one column, label" "${common[@]}" "${three[@]}" --text_column label --label_column label
mkdir -p "$folder/odd/a" "$folder/odd/b" "$folder/odd/.git"
for i in 1 2 3; do for c in a b .git; do echo "text $i of $c" >"$folder/odd/$c/$i.txt"; done; done
mv "$folder/odd/b/3.txt" "$folder/odd/b/3.TXT"
"$train_logreg" --train "$folder/odd" --validation "$folder/odd" --test "$folder/odd" >"$folder/out" 2>"$folder/err" || true
grep -q "odd: names that do not end in .txt are skipped: 1" "$folder/err" || fail "nothing says that a text is skipped"
grep -q '^\.git' "$folder/out" && fail "a hidden folder is a class"
expect_error "a form that is none" 1 "train.txt: is neither a folder nor a file whose name ends with .csv" "${common[@]}" "${three[@]}" --train "$folder/train.txt"
expect_error "a missing column" 1 "test.jsonl: there is no column 'body'; the columns are 'id', 'label', 'text'" "${common[@]}" "${three[@]}" \
  --train "$folder/test.jsonl" --text_column body
expect_error "an empty folder" 1 "has no folder of .txt files" "${common[@]}" "${three[@]}" --train "$folder/texts"

finish
