#!/usr/bin/env bash
# scripts/reproduce_spam.sh with small models over a small invented collection: all 19 rows run, finished rows stay, and its mistakes in options.
#
# usage: reproduce_spam_test.sh REPRODUCE_SPAM PROGRAMS
set -euo pipefail
program=$1 bin=$2
. "$(dirname "$0")/../apps/checks.sh"

awk 'BEGIN {
  srand(4); split("win a free prize now call this number", spam, " "); split("see you at home later my dear friend", ham, " ")
  for (i = 0; i < 110; ++i) {
    line = i % 5 < 2 ? "spam" : "ham"; printf "%s\t", line
    for (w = 0; w < 3 + i % 4; ++w) printf "%s%s", w ? " " : "", line == "spam" ? spam[1 + int(8 * rand())] : ham[1 + int(8 * rand())]
    printf " %d\n", i
  }
}' >"$folder/SMSSpamCollection"
{ echo text; cut -f2 "$folder/SMSSpamCollection"; } >"$folder/texts.csv"
"$bin/tokenize" --train bpe --vocab_size 300 --csv "$folder/texts.csv" --output "$folder/tokenizer" >/dev/null
echo '{"model_type": "gpt2", "vocab_size": 300, "n_positions": 24, "n_embd": 16, "n_layer": 2, "n_head": 2}' >"$folder/config.json"
trial=(--bin "$bin" --config "$folder/config.json" --tokenizer "$folder/tokenizer" --output "$folder/result")

"$program" "${trial[@]}" --file "$folder/SMSSpamCollection" >"$folder/log" 2>"$folder/err" || fail "the trial: $(tail -5 "$folder/log" "$folder/err")"
expect "rows with accuracies" 19 "$(grep -cE '^\| [0-9]+ \| gpt2-[a-z]+ \([0-9]+M\) \| [^|]+ \|( [0-9.]+ \|){3} [0-9., ]+ \| [0-9.]+ \|$' "$folder/result/table.md")"
grep -qF '| 16 | gpt2-small (124M) | last token before the padding |' "$folder/result/table.md" || fail "row 16"
grep -qF '| 99.42, 98.66, 98.33 |' "$folder/result/table.md" || fail "published accuracies"
expect "row 18 is row 1" "$(cut -d'|' -f1-3 "$folder/result/rows/1.result")" "$(cut -d'|' -f1-3 "$folder/result/rows/18.result")"
expect "row 4 is another run than row 5" 2 "$(sed -n 's/^Parameters: .*trained: //p' "$folder/result/rows/4.log" "$folder/result/rows/5.log" | sort -u | wc -l)"
expect "prepared rows" "61 8 19" "$(for split in train validation test; do sed 1d "$folder/result/spam/$split.csv" | wc -l; done | xargs)"
grep -q 'is not the publisher' "$folder/err" || fail "an invented collection is not the publisher's"

rm "$folder/result/rows/7.result"
"$program" "${trial[@]}" --data "$folder/result/spam" >"$folder/log"
expect "only a row that is not finished runs" 1 "$(grep -c '^reproduce_spam: row [0-9]*: ' "$folder/log")"

# What would run with pretrained weights.
mkdir -p "$folder/models/gpt2" && for name in config.json model.safetensors; do echo {} >"$folder/models/gpt2/$name"; done
real=(--bin "$bin" --data "$folder/result/spam" --models "$folder/models" --output "$folder/none" --dry_run)
export HF_HOME=$folder/no_cache
expect "rows 1 and 2, not 12" 2 "$("$program" "${real[@]}" --rows "1 2" | wc -l)"
for wrong in 08 0 20 '*' 99999999999999999999; do
  expect_error "row $wrong" 2 "--rows: '$wrong' is unknown; the rows are 1 to 19" "${real[@]}" --rows "$wrong"
done
expect "a row with its weights" \
  "$bin/train_gpt --data $folder/result/spam --context_length longest_training_example --num_epochs 5 --eval_freq 50 --eval_iter 5 --trainable_token_pos first --device cpu --precision fp32 --model_dir $folder/models/gpt2" \
  "$("$program" "${real[@]}" --rows 2)"
expect "random weights with the tokenizer of others" \
  "--weights random --trainable_layers all --device cpu --precision fp32 --model_size gpt2-small (124M) --tokenizer $folder/models/gpt2" \
  "$("$program" "${real[@]}" --rows 10 | sed 's/.*--eval_iter 5 //')"
grep -qx 'reproduce_spam: row 9: gpt2-xl (1558M) has no weights here; fetch them with: hf download openai-community/gpt2-xl' <<<"$("$program" "${real[@]}" --rows 9)" || fail "a row without weights"
expect_error "an unknown row" 2 "--rows: '20' is unknown; the rows are 1 to 19" "${real[@]}" --rows 1,20
expect_error "an unknown device" 2 "--device 'tpu' is unknown" "${real[@]}" --device tpu
expect_error "a trial without a tokenizer" 2 "--config needs --tokenizer" "${real[@]}" --config "$folder/config.json"
expect_error "two sources" 2 "--data and --file exclude each other" "${real[@]}" --file "$folder/SMSSpamCollection"
finish
