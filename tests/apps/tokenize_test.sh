#!/usr/bin/env bash
# tokenize on the command line: every source and format on a small vocabulary, and what it says about mistakes.
#
# usage: tokenize_test.sh TOKENIZE
set -euo pipefail
tokenize=$1
program=$tokenize
. "$(dirname "$0")/checks.sh"

mkdir "$folder/bpe"
cat >"$folder/bpe/vocab.json" <<'END'
{"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "a": 4, "b": 5, "ab": 6, "Ġ": 7, "Ġab": 8, "<mask>": 9}
END
printf '#version: 0.2\na b\nĠ ab\n' >"$folder/bpe/merges.txt"
printf 'label,review\n1,ab ab\n0,"b\na,<mask>"\n' >"$folder/texts.csv"
printf '{"review": "ab ab"}\n{"review": "ba<mask>"}\n' >"$folder/texts.jsonl"
bpe=(--tokenizer "$folder/bpe")
csv=(--csv "$folder/texts.csv" --column review)

expect ids "0 6 8 2" "$("$tokenize" "${bpe[@]}" --text "ab ab")"
expect "two texts" $'0 4 2\n0 5 2' "$("$tokenize" "${bpe[@]}" --text a --text b)"
expect tokens "<s> ab Ġab </s>" "$("$tokenize" "${bpe[@]}" --text "ab ab" --format tokens)"
expect --no-special "6 8" "$("$tokenize" "${bpe[@]}" --text "ab ab" --no-special)"
expect --special "0 6 8 2" "$("$tokenize" "${bpe[@]}" --text "ab ab" --special)"
expect --max_length "0 6 2" "$("$tokenize" "${bpe[@]}" --text "ab ab" --max_length 3)"
expect --literal "0 4 4 2" "$("$tokenize" "${bpe[@]}" --text "<mask>a" --literal)"
expect --csv $'0 6 8 2\n0 5 4 9 2' "$("$tokenize" "${bpe[@]}" "${csv[@]}")"
expect --jsonl $'0 6 8 2\n0 5 4 9 2' "$("$tokenize" "${bpe[@]}" --jsonl "$folder/texts.jsonl" --field review)"
expect "an empty text" "0 2" "$("$tokenize" "${bpe[@]}" --text "")"
expect "standard input" $'0 6 8 2\n0 5 4 9 2' "$("$tokenize" "${bpe[@]}" --jsonl - --field review <"$folder/texts.jsonl")"
expect jsonl '{"ids":[0,6,2],"type_ids":[0,0,0],"tokens":["<s>","ab","</s>"]}' "$("$tokenize" "${bpe[@]}" --text ab --format jsonl)"
expect lengths "rows 2, ids 9, mean length 4.500" "$("$tokenize" "${bpe[@]}" "${csv[@]}" --format lengths | head -1)"

# The digest is defined byte for byte: count, then ids, little-endian.
want=$(printf '\4\0\0\0\0\0\0\0\6\0\0\0\10\0\0\0\2\0\0\0\5\0\0\0\0\0\0\0\5\0\0\0\4\0\0\0\11\0\0\0\2\0\0\0' | sha256sum | cut -d' ' -f1)
"$tokenize" "${bpe[@]}" "${csv[@]}" --format digest | grep -q "\"full\": \"$want\"" || fail "digest"
for threads in 1 3; do
  expect "digest on $threads threads" "$("$tokenize" "${bpe[@]}" "${csv[@]}" --format digest)" \
    "$("$tokenize" "${bpe[@]}" "${csv[@]}" --format digest --threads $threads)"
done

# Training: the folder it writes is one that it can load.
"$tokenize" --train bpe --vocab_size 300 --text "ab ab ab" --special_token "<end>" --output "$folder/new/bpe" >"$folder/out"
expect "trained bpe" "$folder/new/bpe: 259 tokens" "$(cat "$folder/out")"
expect "trained bpe, tokens" "ab Ġab <end> c" "$("$tokenize" --tokenizer "$folder/new/bpe" --text "ab ab<end>c" --format tokens)"
"$tokenize" --train wordpiece --vocab_size 100 --min_frequency 1 --text "Ab ab abc" --output "$folder/new/wp" >"$folder/out"
expect "trained wordpiece, tokens" "[CLS] ab abc [UNK] [SEP]" "$("$tokenize" --tokenizer "$folder/new/wp" --text "AB abc d" --format tokens)"
"$tokenize" --train wordpiece --vocab_size 100 --min_frequency 1 --text "Ab" --cased --output "$folder/new/wp" >"$folder/out"
expect "trained cased, tokens" "[CLS] Ab [UNK] [SEP]" "$("$tokenize" --tokenizer "$folder/new/wp" --text "Ab ab" --format tokens)"
"$tokenize" --train bpe --vocab_size 300 --text "ab ab ab" --output "$folder/new/wp" >"$folder/out"
expect "files of a bpe tokenizer after a wordpiece one" "$(ls "$folder/new/bpe")" "$(ls "$folder/new/wp")"
cp -r "$folder/new/bpe" "$folder/new/model" && touch "$folder/new/model/model.safetensors"
expect_error "a tokenizer in the place of a model's" 1 "$folder/new/model: has the weights of a model (model.safetensors)" \
  --train bpe --vocab_size 300 --text "b b" --output "$folder/new/model"
expect "the tokenizer of a model" "$(cat "$folder/new/bpe/tokenizer.json")" "$(cat "$folder/new/model/tokenizer.json")"
expect_error "training without size" 2 "--vocab_size" --train bpe --text a --output "$folder/x"
expect_error "training without output" 2 "--output" --train bpe --text a --vocab_size 300
expect_error "training a loaded one" 2 "--tokenizer" "${bpe[@]}" --train bpe --text a --vocab_size 300 --output "$folder/x"
expect_error "training too few" 1 "no room" --train bpe --text a --vocab_size 3 --output "$folder/x"
expect_error "training to a bad place" 1 "$folder/texts.csv" --train bpe --text a --vocab_size 300 --output "$folder/texts.csv/x"

expect_error "a column of no file" 2 "--column requires --csv" "${bpe[@]}" --text a --column b
expect_error "a field of no file" 2 "--field requires --jsonl" "${bpe[@]}" --text a --field b
for of_ids in "--format tokens" "--max_length 3" --no-special --literal; do
  # shellcheck disable=SC2086  # options are words
  expect_error "$of_ids of a training" 2 " requires --tokenizer" --train bpe --text a --vocab_size 300 --output "$folder/x" $of_ids
done
expect_error "case of bytes" 2 "--cased needs --train wordpiece" --train bpe --text a --vocab_size 300 --output "$folder/x" --cased
expect_error "no source" 2 "exactly one of" "${bpe[@]}"
expect_error "two sources" 2 "exactly one of" "${bpe[@]}" --text a "${csv[@]}"
expect_error "unknown format" 2 "--format" "${bpe[@]}" --text a --format x
expect_error "no tokenizer" 2 "--tokenizer" --text a
expect_error "no such folder" 1 "$folder/none" --tokenizer "$folder/none" --text a
expect_error "no such file" 1 "$folder/none.csv" "${bpe[@]}" --csv "$folder/none.csv"
expect_error "no such column" 1 "nothing" "${bpe[@]}" --csv "$folder/texts.csv" --column nothing
expect_error "no such field" 1 "texts.jsonl:1" "${bpe[@]}" --jsonl "$folder/texts.jsonl" --field nothing
expect_error "no room" 1 "max_length 1 leaves no room" "${bpe[@]}" --text a --max_length 1
expect_error "broken text" 1 "not valid UTF-8" "${bpe[@]}" --text $'a\xff'

finish
