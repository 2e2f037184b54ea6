#!/usr/bin/env bash
# --calibrate, --no_calibration and --threshold tuned: what they store, print and change, compared with what awk computes from the output of predict;
# and what is said about data that determine no temperature or threshold.
#
# usage: calibrate_test.sh TRAIN_GPT TRAIN_LOGREG PREDICT EVALUATE TOKENIZE
set -euo pipefail
train_gpt=$1 train_logreg=$2 predict=$3 evaluate=$4 tokenize=$5
. "$(dirname "$0")/checks.sh"

task_data
data=$folder/data
common=(--data "$data" --tokenizer "$folder/tokenizer" --weights random --initializer gpt2 --config "$folder/config.json" --context_length 16
  --average_embeddings --trainable_layers all --learning_rate 3e-3 --batch_size 16 --eval_freq 0 --seed 5 --threads 2)
train() { "$train_gpt" "${common[@]}" --output "$folder/$1" --log_file "$folder/$1.log" "${@:2}" >"$folder/$1.out" 2>"$folder/$1.err"; }
config() { tr -d ' \n' <"$folder/$1/config.json" | sed -n "s/.*\"$2\":\(\[[^]]*\]\|[^,}]*\).*/\1/p"; }
fitted() { grep '"fitted_to"' "$folder/$1.log" | sed -n "s/.*\"$2\": *\([^,}]*\).*/\1/p"; }
split_of_log() { grep "\"split\": *\"$2\"" "$folder/$1.log" | sed -n "s/.*\"$3\": *\([^,}]*\).*/\1/p"; }
probabilities() { "$predict" --model_dir "$folder/$1" --csv "$2" --format csv "${@:3}" | sed 1d; }
ask() { "$evaluate" --model_dir "$folder/$1" --data "$2" --json "${@:3}" 2>"$folder/notes" | tr -d ' \n'; }
member() { sed -n "s/.*\"$1\":\([^,}]*\).*/\1/p" <<<"$2"; }
close() { # NAME EXPECTED ACTUAL [RELATIVE]
  checks=$((checks + 1))
  awk -v a="$2" -v b="$3" -v r="${4:-1e-6}" 'BEGIN {d = a - b; if (d < 0) d = -d; exit !(a != "" && b != "" && d <= r * (a < 0 ? -a : a) + 1e-9)}' ||
    fail "$1: expected $2, got $3"
}
at_most() { checks=$((checks + 1)); awk -v a="$2" -v b="$3" 'BEGIN {exit !(a != "" && b != "" && a <= b)}' || fail "$1: $2 is more than $3"; }

# One class: the temperature changes probabilities, and nothing else about the run.
train plain --num_epochs 2
train class --num_epochs 2 --calibrate
cmp "$folder/plain/model.safetensors" "$folder/class/model.safetensors" || fail "--calibrate changes the weights"
expect "no temperature of itself" "" "$(config plain attune_temperature)"
temperature=$(config class attune_temperature)
close "the temperature in the log" "$temperature" "$(fitted class temperature)"
grep -qF '"fitted": {' "$folder/class/run.json" || fail "run.json does not have what was fitted"
at_most "the log-loss after" "$(fitted class log_loss)" "$(fitted class log_loss_before)"
grep -qE '^Temperature [0-9.]+ \(validation\): log-loss [0-9.]+ -> [0-9.]+, expected calibration error [0-9.]+ -> [0-9.]+$' "$folder/class.out" || fail "the line of the temperature: $(grep Temperature "$folder/class.out")"
expect "the accuracy stays" "$(split_of_log plain test accuracy)" "$(split_of_log class test accuracy)"
probabilities class "$data/test.csv" >"$folder/with"
probabilities class "$data/test.csv" --no_calibration >"$folder/without"
probabilities plain "$data/test.csv" >"$folder/plain.csv"
cmp "$folder/without" "$folder/plain.csv" || fail "--no_calibration is not the model without a temperature"
expect "labels and logits stay" "$(cut -d, -f1,4,5 "$folder/without")" "$(cut -d, -f1,4,5 "$folder/with")"
awk -F, -v t="$temperature" '{p = 1 / (1 + exp(($5 - $4) / t)); d = p - $2; if (d < 0) d = -d; if (d > 1e-6) exit 1}' "$folder/with" || fail "probabilities are not those of logits / T"
found=$(ask class "$data/test.csv")
close "evaluate's log-loss of a calibrated model" "$(split_of_log class test log_loss)" "$(member log_loss "$found")"
close "without calibration" "$(split_of_log plain test log_loss)" "$(member log_loss "$(ask class "$data/test.csv" --no_calibration)")"

# evaluate fits the same, keeps the weights' id, and may do it again.
cp -r "$folder/plain" "$folder/later"
found=$(ask later "$data/validation.csv" --calibrate)
close "the temperature of evaluate" "$temperature" "$(config later attune_temperature)" 1e-3
close "its log-loss before" "$(fitted class log_loss_before)" "$(member log_loss_before "$found")" 1e-4
expect "the log-loss that is shown is the one after" "$(sed 's/.*"calibration"//' <<<"$found" | member log_loss "$(cat)")" "$(sed 's/"calibration".*//' <<<"$found" | member log_loss "$(cat)")"
expect "the id of the save" "$(config plain attune_save)" "$(config later attune_save)"
expect "all else of the config" "$(tr -d '\n' <"$folder/plain/config.json" | sed 's/,\? *}$//')" "$(tr -d '\n' <"$folder/later/config.json" | sed 's/, *"attune_temperature".*//')"
probabilities later "$data/test.csv" >"$folder/later.csv"
expect "labels of the model that was calibrated later" "$(cut -d, -f1 "$folder/with")" "$(cut -d, -f1 "$folder/later.csv")"
before=$(config later attune_temperature)
found=$(ask later "$data/validation.csv" --calibrate)
close "calibrated twice" "$before" "$(config later attune_temperature)" 1e-9
close "calibrated twice, log-loss" "$(member log_loss_before "$found")" "$(sed 's/.*"calibration"//' <<<"$found" | member log_loss "$(cat)")" 1e-9
"$evaluate" --model_dir "$folder/later" --data "$data/validation.csv" --calibrate >"$folder/out" 2>"$folder/err"
grep -q '^Temperature ' "$folder/out" || fail "evaluate --calibrate says nothing"
expect "no warning" 0 "$(grep -c warning "$folder/err")"

# Data without a temperature of their own.
rows() { echo text,label; "$predict" --model_dir "$folder/plain" --csv "$data/test.csv" --format csv | sed 1d | cut -d, -f1 | paste -d, <(sed 1d "$data/test.csv" | cut -d, -f1) -; }
rows >"$folder/right.csv"
cp -r "$folder/plain" "$folder/odd"
ask odd "$folder/right.csv" --calibrate >/dev/null
grep -qF "warning: --calibrate: $folder/right.csv: every prediction is right, or the logits differ little, so that the smallest temperature is taken" "$folder/notes" || fail "separated data: $(cat "$folder/notes")"
expect "the temperature of separated data" 0.05 "$(config odd attune_temperature)"
sed 's/,common$/,x/; s/,rare$/,common/; s/,x$/,rare/' "$folder/right.csv" >"$folder/wrong.csv"
ask odd "$folder/wrong.csv" --calibrate >/dev/null
grep -qF "the logits predict worse than none, or differ much, so that the largest temperature is taken" "$folder/notes" || fail "wrong data: $(cat "$folder/notes")"
expect "the temperature of wrong data" 20 "$(config odd attune_temperature | sed 's/\.0$//')"
{ head -1 "$folder/right.csv"; sed 1d "$folder/right.csv" | sed 's/,[a-z]*$/,common/'; } >"$folder/one.csv"
ask odd "$folder/one.csv" --calibrate >/dev/null
grep -qF "warning: --calibrate: $folder/one.csv: every example has one class" "$folder/notes" || fail "one class: $(cat "$folder/notes")"

# Several labels, with thresholds.
cat >"$folder/naive.awk" <<'EOF'
# The best thresholds of three labels, each tried with a count over all examples.
{ for (k = 0; k < 3; ++k) { p[k, NR] = $(2 + k); y[k, NR] = $(5 + k) } }
END {
  for (k = 0; k < 3; ++k) {
    n = 0; split("", edges); edges[++n] = 0; edges[++n] = 1
    for (i = 1; i <= NR; ++i) edges[++n] = p[k, i] + 0
    for (i = 2; i <= n; ++i) { v = edges[i]; for (j = i - 1; j >= 1 && edges[j] > v; --j) edges[j + 1] = edges[j]; edges[j + 1] = v }
    best = -1; at = 0.5
    for (e = 1; e < n; ++e) {
      if (edges[e] == edges[e + 1]) continue
      t = (edges[e] + edges[e + 1]) / 2; a = b = c = 0
      for (i = 1; i <= NR; ++i) { if (p[k, i] > t) { if (y[k, i]) ++a; else ++b } else if (y[k, i]) ++c }
      f = 2 * a / (2 * a + b + c); d = t - 0.5; if (d < 0) d = -d; o = at - 0.5; if (o < 0) o = -o
      if (f > best || (f == best && d < o)) { best = f; at = t }
    }
    printf "%.7f\n", at
  }
}
EOF
labels() { awk 'NR > 1 {sub(/"[^"]*"/, "tags"); split($0, f, ","); print f[4] "," f[5] "," f[6]}' "$1"; }
for kind in tuned calibrated; do
  train $kind --num_epochs 1 --task multi_label --label_columns red,big,old --threshold tuned $([ $kind = tuned ] || echo --calibrate)
  probabilities $kind "$data/validation.csv" | cut -d, -f1-4 | paste -d, - <(labels "$data/validation.csv") | sed 's/,/ /g' | sed 's/^ /- /' | awk -f "$folder/naive.awk" >"$folder/naive"
  config $kind attune_thresholds | tr -d '[]' | tr ',' '\n' | awk '{printf "%.7f\n", $1}' >"$folder/found"
  checks=$((checks + 1))
  paste "$folder/naive" "$folder/found" | awk '{d = $1 - $2; if (d < 0) d = -d; if (d > 1e-6) exit 1; ++n} END {exit n != 3}' || fail "$kind: thresholds: expected $(tr '\n' ' ' <"$folder/naive"), got $(tr '\n' ' ' <"$folder/found")"
  at_most "$kind: macro F1 before" "$(fitted $kind f1_macro_before)" "$(fitted $kind f1_macro)"
  close "$kind: the closing lines have the thresholds" "$(fitted $kind f1_macro)" "$(split_of_log $kind validation f1_macro)"
  close "$kind: evaluate has them" "$(split_of_log $kind test f1_macro)" "$(member f1_macro "$(ask $kind "$data/test.csv")")"
  grep -qE '^red +0\.[0-9]{4} +[01]\.[0-9]{4} +[01]\.[0-9]{4}$' "$folder/$kind.out" || fail "$kind: no line of a label"
done
expect "thresholds without a temperature" 1 "$(config tuned attune_temperature)"
train half --num_epochs 1 --task multi_label --label_columns red,big,old
close "F1 before is that at 0.5" "$(split_of_log half validation f1_macro)" "$(fitted tuned f1_macro_before)"
close "F1 before is that at 0.5, calibrated" "$(split_of_log half validation f1_macro)" "$(fitted calibrated f1_macro_before)"

# The labels that a saved model predicts do not depend on calibration.
train four --num_epochs 1 --task multi_label --label_columns red,big,old --threshold 0.4
labels_of() { probabilities four "$data/test.csv" "$@" | cut -d, -f1; }
before=$(labels_of)
ask four "$data/validation.csv" --calibrate >/dev/null
expect "labels after evaluate --calibrate" "$before" "$(labels_of)"
expect "labels with --no_calibration" "$before" "$(labels_of --no_calibration)"
[ "$(config four attune_temperature)" != 1 ] || fail "a temperature that changes nothing"
[ "$(config four attune_thresholds)" != '[0.4,0.4,0.4]' ] || fail "thresholds do not move with the probabilities"

# Thresholds belong to the head that they were found for.
onward=(--data "$data" --model_dir "$folder/four" --context_length 16 --task multi_label --label_columns red,big,old --max_steps 1 --eval_freq 0
  --threads 1 --no_final_evaluation)
"$train_gpt" "${onward[@]}" --output "$folder/kept_head" >/dev/null 2>&1
expect "thresholds of a head that is kept" "[0.4,0.4,0.4]" "$(config kept_head attune_thresholds | sed 's/0\.4[0-9]*/0.4/g; s/0\.39999[0-9]*/0.4/g')"
"$train_gpt" "${onward[@]}" --fresh_head --output "$folder/fresh_head" >/dev/null 2>&1
expect "thresholds of a new head" "[0.5,0.5,0.5]" "$(config fresh_head attune_thresholds)"

# A label that no validation example has.
cp -r "$data" "$folder/without_data"
awk -F, -v OFS=, 'NR > 1 {n = NF; $(n - 2) = 0} {print}' "$data/validation.csv" >"$folder/without_data/validation.csv"
train gone --data "$folder/without_data" --num_epochs 1 --task multi_label --label_columns red,big,old --threshold tuned --no_final_evaluation
grep -qF 'warning: --threshold tuned: validation: no example has big; the threshold stays 0.5' "$folder/gone.err" || fail "a label without examples: $(cat "$folder/gone.err")"
expect "its threshold" 0.5 "$(config gone attune_thresholds | cut -d, -f2)"
grep -q '^Evaluating on the validation split' "$folder/gone.out" || fail "the validation split alone is not evaluated"
expect "no closing lines" 0 "$(grep -c '"split"' "$folder/gone.log" || true)"

# A bag of words.
"$train_logreg" --data "$data" --output "$folder/bag" >/dev/null
ask bag "$data/validation.csv" --calibrate >/dev/null
[ -n "$(config bag attune_temperature)" ] || fail "a bag of words is not calibrated"
probabilities bag "$data/test.csv" >/dev/null

# Mistakes.
program=$train_gpt
expect_error "numbers" 2 "--calibrate needs probabilities, and --task regression predicts numbers" "${common[@]}" --task regression --label_column score --calibrate
expect_error "thresholds of one class" 2 "--threshold belongs to --task multi_label, not to single_label" "${common[@]}" --threshold tuned
"$train_gpt" "${common[@]}" --max_steps 2 --calibrate >/dev/null 2>"$folder/err"
expect "without a folder" "warning: without --output what was fitted to the validation split is not saved" "$(grep -v 'texts that occur' "$folder/err")"
program=$evaluate
train score --max_steps 2 --task regression --label_column score --no_final_evaluation
expect_error "a model of numbers" 2 "--calibrate needs probabilities, and this model predicts numbers" --model_dir "$folder/score" --data "$data/validation.csv" --calibrate
expect_error "both flags" 2 "--calibrate stores a temperature, and --no_calibration ignores it" --model_dir "$folder/plain" --data "$data/validation.csv" --calibrate --no_calibration
head -1 "$data/validation.csv" >"$folder/empty.csv"
expect_error "no examples" 1 "empty.csv: there are no rows below the header" --model_dir "$folder/plain" --data "$folder/empty.csv" --calibrate
cp -r "$folder/plain" "$folder/linked" && mv "$folder/linked/config.json" "$folder/config_of_links.json" && ln -s "$folder/config_of_links.json" "$folder/linked/config.json"
expect_error "a linked config" 1 "linked/config.json: is a link" --model_dir "$folder/linked" --data "$data/validation.csv" --calibrate
program=$predict
sed 's/"attune_temperature": *[0-9.e-]*/"attune_temperature": 0/' "$folder/class/config.json" >"$folder/zero.json" && cp "$folder/zero.json" "$folder/class/config.json"
expect_error "a temperature of 0" 1 "config.json: attune_temperature: must be" --model_dir "$folder/class" --text x
finish
