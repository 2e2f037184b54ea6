#!/usr/bin/env bash
# report.html: a small run of each task writes a whole page, whose texts are escaped and which loads nothing; a run that goes on shows the whole
# curve; --no_report; an interrupted run; a page that cannot be written.
#
# usage: report_page_test.sh TRAIN_GPT TOKENIZE EVALUATE PYTHON3
set -euo pipefail
train_gpt=$1 tokenize=$2 evaluate=$3 python=$4
program=$train_gpt
here=$(dirname "$0")
. "$here/checks.sh"

"$python" "$here/report_page_data.py" "$folder/data"
"$tokenize" --train bpe --vocab_size 300 --csv "$folder/data/train.csv" --output "$folder/tokenizer" >/dev/null
small_gpt2 300
common=(--data "$folder/data" --tokenizer "$folder/tokenizer" --weights random --config "$folder/config.json" --context_length 16
  --trainable_layers all --learning_rate 1e-2 --batch_size 8 --eval_freq 4 --eval_iter 2 --threads 1 --num_epochs 2)
train() { "$train_gpt" "${common[@]}" --output "$folder/$1" "${@:2}" >"$folder/$1.out" 2>"$folder/$1.err"; }
page_is_right() {
  checks=$((checks + 1))
  "$python" "$here/check_report_page.py" "$folder/$1/report.html" "${@:2}" >"$folder/faults" || fail "the page of $1: $(cat "$folder/faults")"
}
# evaluated NAME ARGUMENT...: what evaluate says about the model and the test texts
evaluated() { "$evaluate" --model_dir "$folder/$1" --data "$folder/data/test.csv" --json --mistakes 60 "${@:2}" 2>/dev/null >"$folder/$1.json"; }
sections=(--id curves --id data --id settings --id environment --id lengths --id loss --id evaluations --id rate)
results=(--id measures --id predictions --id mistakes)

# One class, of four with hostile names.
train classes --keep_best f1_macro --max_grad_norm 1 --seed 7
evaluated classes
page_is_right classes --evaluation "$folder/classes.json" "${sections[@]}" "${results[@]}" --id measure --id norm --id calibration --id confidence --id ranking \
  --text '</script><script>alert(1)</script>' --text "\"quo'te\" & <b>bold" --text 'control␁␛[31m' --text "Confusion matrix" \
  --text "--keep_best f1_macro" --text "--max_grad_norm 1" --text "texts that were cut" --text "The text as it is in the data"
changed=$(sed -n '/Options that differ/,/<\/table>/p' "$folder/classes/report.html" | grep -oE -- '--[a-z_]+' | xargs)
expect "options that differ" "--data --keep_best --seed" "$(echo "$changed" | xargs -n 1 | grep -E '^--(data|keep_best|seed|weight_decay|dropout)$' | xargs)"
grep -q 'class="w for3"' "$folder/classes/report.html" || fail "no words that mattered"
expect "warnings of a run with a report" "" "$(cat "$folder/classes.err")"

# Several labels, and numbers.
train labels --task multi_label --label_column tags --label_delimiter '|'
evaluated labels --label_column tags --label_delimiter '|'
page_is_right labels --evaluation "$folder/labels.json" "${sections[@]}" "${results[@]}" --id calibration --id confidence --id ranking --no_id measure --no_id fit0
train numbers --task regression --label_column score
evaluated numbers --label_column score
page_is_right numbers --evaluation "$folder/numbers.json" "${sections[@]}" "${results[@]}" --id fit0 --id residuals0 --no_id calibration --no_id ranking --text "mean ± deviation"

# A text that is too long to be explained leaves the passes to the others.
mkdir "$folder/data_long" && cp "$folder/data/train.csv" "$folder/data/validation.csv" "$folder/data_long"
{ echo text,label,tags,score; echo "$(printf 'sea %.0s' $(seq 5000)),plain,,1000"; for i in 1 2 3 4; do echo "red stone $i,plain,,$i"; done; } >"$folder/data_long/test.csv"
train long_text --data "$folder/data_long" --task regression --label_column score --windows overlap=0 --max_steps 4
expect "explained mistakes" 4 "$(grep -o '>Raised: ' "$folder/long_text/report.html" | wc -l)"

# Without a final evaluation; the page of an earlier run goes away; none without an output folder.
train labels --no_final_evaluation --task multi_label --label_column tags --label_delimiter '|'
page_is_right labels "${sections[@]}" --no_id measures --no_id predictions --no_id mistakes --text "This run has no final evaluation"
train labels --no_report --task multi_label --label_column tags --label_delimiter '|'
expect "a folder without a report" "" "$(ls "$folder/labels" | grep report || true)"
cmp "$folder/classes/model.safetensors" "$folder/labels/model.safetensors" >/dev/null && fail "two tasks have one model"

# A run that goes on has the curves of one that was not interrupted.
train whole --checkpoint_every 5
train parts --checkpoint_every 5 --max_steps 11 --no_final_evaluation
train parts --checkpoint_every 5 --resume
curves() { sed -n '/<section id="curves"/,/<section id="predictions"/p' "$folder/$1/report.html"; }
expect "the lines of the curves" "yes" "$([ "$(curves whole | wc -l)" -gt 50 ] && echo yes)"
expect "the curves of a run that goes on" "" "$(diff <(curves whole) <(curves parts) | head -3)"

# Ctrl-C: the page is in the folder of the interrupted model.
"$train_gpt" "${common[@]}" --output "$folder/cut" --log_file "$folder/cut.log" --num_epochs 100000 >/dev/null &
pid=$!
until [ -s "$folder/cut.log" ]; do sleep 0.1; done
kill -INT $pid
wait $pid || true
page_is_right cut/interrupted --id curves --id data --id settings --no_id measures --text "This run was interrupted"
expect "files of an interrupted run" "" "$(ls "$folder/cut" | grep report || true)"

# A long run, whose page stays small; where the disk refuses it, the run is worth more, and the page from before the evaluation stays.
long=(--num_epochs 60 --keep_best f1_macro --max_grad_norm 1)
train long "${long[@]}"
page_is_right long "${sections[@]}" "${results[@]}" --text "from the lowest to the highest of every 4 batches"
kilobytes=$(($(stat -c %s "$folder/long/report.html") / 1024))
(ulimit -f $((kilobytes - 5)) && train limited "${long[@]}") || fail "a page that cannot be written ends the run"
expect "the warning" 1 "$(grep -c "^warning: .*report.html.*; the run goes on without this file$" "$folder/limited.err")"
page_is_right limited "${sections[@]}" --no_id measures
cmp "$folder/long/model.safetensors" "$folder/limited/model.safetensors" || fail "a page that cannot be written changes the model"

# A folder in its place, and a log.
mkdir -p "$folder/refused/report.html/x"
expect_error "a folder in its place" 1 "report.html" "${common[@]}" --output "$folder/refused"
expect_error "a log in its place" 1 "the run reads or writes this file as" "${common[@]}" --output "$folder/new" --log_file "$folder/new/report.html"
finish
