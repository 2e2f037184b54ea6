#!/usr/bin/env bash
# train_gpt and predict on the command line: a small GPT is trained, saved, read back and asked; equal runs are equal to the bit with
# any number of threads, and with --recompute; Ctrl-C ends cleanly; and what they say about mistakes.
#
# usage: train_gpt_test.sh TRAIN_GPT PREDICT TOKENIZE PREPARE_IMDB
set -euo pipefail
train_gpt=$1 predict=$2 tokenize=$3 prepare_imdb=$4
program=$train_gpt
. "$(dirname "$0")/checks.sh"

invented_data 65 400
echo '{"model_type": "gpt2", "vocab_size": 400, "n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 2}' >"$folder/config.json"
common=(--data "$folder/data" --tokenizer "$folder/tokenizer" --weights random --config "$folder/config.json" --context_length 48)
small=("${common[@]}" --trainable_layers all --eval_freq 4 --eval_iter 2)

# The reference's wording.
"$train_gpt" "${small[@]}" --max_steps 6 --threads 1 --output "$folder/one" --log_file "$folder/log" >"$folder/out"
grep -qE '^Ep 1 \(Step 000000\): Train loss [0-9.]{5}, Val loss [0-9.]{5}$' "$folder/out" || fail "the line of the first evaluation"
grep -qE '^Ep 1 \(Step 000004\): ' "$folder/out" || fail "the line of the second evaluation"
for split in Training Validation Test; do grep -qE "^$split accuracy: [0-9]+\.[0-9]{2}%\$" "$folder/out" || fail "the closing line of $split"; done
expect "steps in the log" 6 "$(grep -c '"learning_rate"' "$folder/log")"
expect "evaluations in the log" 2 "$(grep -c '"val_loss"' "$folder/log")"
expect "files of the model" "config.json model.safetensors report.html run.json tokenizer.json tokenizer_config.json" "$(ls "$folder/one" | xargs)"

# Bitwise: equal runs, and other numbers of threads.
for threads in 1 2 3; do
  "$train_gpt" "${small[@]}" --max_steps 6 --threads "$threads" --dropout 0.1 --output "$folder/threads$threads" >/dev/null
done
"$train_gpt" "${small[@]}" --max_steps 6 --threads 2 --dropout 0.1 --output "$folder/again" >/dev/null
"$train_gpt" "${small[@]}" --max_steps 6 --threads 2 --dropout 0.1 --recompute --output "$folder/recomputed" >/dev/null
for other in threads2 threads3 again recomputed; do
  cmp "$folder/threads1/model.safetensors" "$folder/$other/model.safetensors" || fail "$other: the weights differ"
done

# predict: every format and source; a text alone and in a batch.
expect "labels" 2 "$("$predict" --model_dir "$folder/one" --text "It never lost me." --text "I left early." | grep -c '^LABEL_[01]')"
"$predict" --model_dir "$folder/one" --csv "$folder/data/test.csv" --format csv >"$folder/whole.csv"
"$predict" --model_dir "$folder/one" --csv "$folder/data/test.csv" --format csv --batch_size 7 >"$folder/parts.csv"
expect "header" "label,probability_LABEL_0,probability_LABEL_1,logit_LABEL_0,logit_LABEL_1" "$(head -1 "$folder/whole.csv")"
expect "rows" 65 "$(wc -l <"$folder/whole.csv")"
apart=$(paste -d, <(tail -n +2 "$folder/whole.csv") <(tail -n +2 "$folder/parts.csv") |
  awk -F, '{d = $4 - $9; if (d < 0) d = -d; if (d > m) m = d} END {print (m > 1e-6) ? "differ" : "agree"}')
expect "batches of other sizes" agree "$apart"
share=$(paste -d, <(tail -n +2 "$folder/whole.csv" | cut -d, -f1) <(tail -n +2 "$folder/data/test.csv" | sed 's/.*,//') |
  awk -F, '{right += $1 == "LABEL_" $2} END {printf "Test accuracy: %.2f%%", 100 * right / NR}')
expect "predictions and the trainer's evaluation" "$(grep '^Test' "$folder/out")" "$share"
explained=$("$predict" --model_dir "$folder/one" --explain --format jsonl --text "It never lost me.")
grep -q '"words":\[\["It",' <<<"$explained" || fail "the words of an explanation: $explained"
expect "the same prediction" "$("$predict" --model_dir "$folder/one" --format jsonl --text "It never lost me." | sed 's/^{//')" "$(sed 's/^{"words":\[.*\]\],//' <<<"$explained")"
expect "an explained line" 2 "$("$predict" --model_dir "$folder/one" --explain --text "It never lost me." | wc -l)"
program=$predict
expect_error "an explanation as CSV" 2 "--explain needs --format text or jsonl" --model_dir "$folder/one" --explain --format csv --text a
program=$train_gpt
expect "lines of standard input" 3 "$(printf 'a\n\nc\n' | "$predict" --model_dir "$folder/one" --format jsonl | grep -c probabilities)"

# Token ids are kept for the next run; with and without them, and from a damaged file, the run is the same.
kept() { find "$XDG_CACHE_HOME/attune" -name 'ids-*.safetensors' | sort; }
[ "$(kept | wc -l)" -eq 3 ] || fail "three splits are kept, not $(kept | wc -l)"
for file in $(kept); do printf x >>"$file"; done
"$train_gpt" "${small[@]}" --max_steps 6 --threads 2 --dropout 0.1 --output "$folder/mended" >/dev/null
"$train_gpt" "${small[@]}" --max_steps 6 --threads 2 --dropout 0.1 --output "$folder/uncached" --no_cache >/dev/null
"$train_gpt" "${small[@]}" --max_steps 6 --threads 2 --dropout 0.1 --output "$folder/elsewhere" --cache "$folder/config.json" >/dev/null 2>"$folder/err"
grep -q "^warning: $folder/config.json: .*; token ids are not kept for the next run$" "$folder/err" || fail "a cache that is a file: $(cat "$folder/err")"
for other in mended uncached elsewhere; do cmp "$folder/threads1/model.safetensors" "$folder/$other/model.safetensors" || fail "$other: the weights differ"; done

# Pairs: the second text counts.
mkdir "$folder/pairs"
for split in train validation test; do sed '1s/.*/text,second,label/; 2,$s/,\([01]\)$/,and more,\1/' "$folder/data/$split.csv" >"$folder/pairs/$split.csv"; done
"$train_gpt" "${small[@]}" --data "$folder/pairs" --max_steps 1 --log_file "$folder/alone" --no_final_evaluation >/dev/null
"$train_gpt" "${small[@]}" --data "$folder/pairs" --text_pair_column second --max_steps 1 --log_file "$folder/paired" --no_final_evaluation >/dev/null
[ "$(grep -m1 '"loss"' "$folder/alone")" != "$(grep -m1 '"loss"' "$folder/paired")" ] || fail "the second texts change nothing"
"$train_gpt" "${small[@]}" --data "$folder/pairs" --text_pair_column second --max_steps 1 --no_final_evaluation --output "$folder/pair_model" >/dev/null
first=$(sed -n 2p "$folder/pairs/test.csv" | cut -d, -f1)
both=$("$predict" --model_dir "$folder/pair_model" --text "$first" --text_pair "and more" --format jsonl)
expect "a pair from a file" "$both" "$("$predict" --model_dir "$folder/pair_model" --csv "$folder/pairs/test.csv" --pair_column second --format jsonl | head -1)"
[ "$both" != "$("$predict" --model_dir "$folder/pair_model" --text "$first" --text_pair "" --format jsonl)" ] || fail "predict reads no second text"
program=$predict expect_error "a single text for a model of pairs" 1 "pair_model: the model was trained on pairs of texts, and these are single texts" --model_dir "$folder/pair_model" --text a
program=$predict expect_error "a pair for a model of single texts" 1 "one: the model was trained on single texts, and these are pairs" --model_dir "$folder/one" --text a --text_pair b
program=$predict expect_error "a text without its second one" 2 "there are 1 --text_pair for 2 --text" --model_dir "$folder/pair_model" --text a --text b --text_pair c
expect_error "a missing column of pairs" 1 "there is no column 'third'" "${small[@]}" --data "$folder/pairs" --text_pair_column third

# A model that training has made useless is neither saved nor judged nor asked.
diverged=("${common[@]}" --trainable_layers all --max_steps 1 --eval_freq 0)
expect_error "weights that are not finite" 1 "training stopped after 1 steps: the weight transformer." "${diverged[@]}" --learning_rate 1e300 --output "$folder/diverged"
expect "files of a model that is not finite" "" "$(ls "$folder/diverged" 2>/dev/null)"
expect_error "an evaluation that is not finite" 1 "the logits of example" "${diverged[@]}" --learning_rate 1e30
cp -r "$folder/one" "$folder/damaged"
header=$((8 + $(od -An -t u8 -N 8 "$folder/one/model.safetensors")))
size=$(wc -c <"$folder/one/model.safetensors")
# Without the digests, as a file that another program wrote.
fill() { { head -c "$header" "$folder/one/model.safetensors" | sed "s/attune_sha256/nobody_sha256/"; head -c $((size - header)) /dev/zero | tr '\0' "$1"; } >"$folder/damaged/model.safetensors"; }
program=$predict
fill '\377'
expect_error "weights that are not finite" 1 "damaged/model.safetensors: the tensor '" --model_dir "$folder/damaged" --text fine
grep -qF "holds values that are not finite" "$folder/err" || fail "weights that are not finite: $(cat "$folder/err")"
fill '\176'  # 8e37
for format in text csv jsonl; do
  expect_error "logits that are not finite, $format" 1 "damaged: the logits of text 1 are not finite" --model_dir "$folder/damaged" --text fine --format "$format"
  [ "$format" = csv ] || expect "what is printed of them" "" "$(cat "$folder/out")"
done

# Results that are lost are an error; a log that is lost is a warning.
if [ -e /dev/full ]; then
  lost() {
    local name=$1 code=0
    shift
    "$@" >/dev/full 2>"$folder/err" || code=$?
    expect "$name with a full standard output" "1: $(basename "$1"): error: standard output: cannot be written" "$code: $(cat "$folder/err")"
  }
  lost "train_gpt" "$train_gpt" "${small[@]}" --max_steps 1 --output "$folder/unheard"
  [ -s "$folder/unheard/model.safetensors" ] || fail "nobody listened, and the model was not saved"
  lost "help" "$train_gpt" --help
  lost "predict" "$predict" --model_dir "$folder/one" --text fine
  lost "tokenize" "$tokenize" --tokenizer "$folder/tokenizer" --text fine
  lost "prepare_imdb" "$prepare_imdb" --synthetic --output "$folder/invented"
  "$train_gpt" "${small[@]}" --max_steps 6 --threads 1 --output "$folder/unlogged" --log_file /dev/full >/dev/null 2>"$folder/err" || fail "a full log ends the run"
  expect "a full log" "warning: /dev/full: the log file cannot be written: No space left on device; the run goes on without it" "$(cat "$folder/err")"
  cmp "$folder/one/model.safetensors" "$folder/unlogged/model.safetensors" || fail "a full log changes the model"
fi
program=$train_gpt

# Ctrl-C: the step is finished, the model saved, the exit code the shell's.
"$train_gpt" "${common[@]}" --trainable_layers all --num_epochs 100000 --eval_freq 0 --output "$folder/interrupted" >"$folder/out" & pid=$!
sleep 2
kill -INT $pid
code=0
wait $pid || code=$?
expect "exit code after Ctrl-C" 130 "$code"
grep -q 'Training interrupted' "$folder/out" || fail "nothing is said about Ctrl-C"
"$predict" --model_dir "$folder/interrupted/interrupted" --text "fine" >/dev/null || fail "the interrupted model cannot be read"

# The order of evaluations changes the weights of the second epoch, as in the reference, unless evaluations are independent.
for frequency in 0 3; do
  "$train_gpt" "${small[@]}" --num_epochs 2 --eval_freq $frequency --no_final_evaluation --output "$folder/dependent$frequency" >/dev/null
  "$train_gpt" "${small[@]}" --num_epochs 2 --eval_freq $frequency --independent_evaluation --no_final_evaluation --output "$folder/independent$frequency" >/dev/null
done
cmp "$folder/independent0/model.safetensors" "$folder/independent3/model.safetensors" || fail "independent evaluations change the weights"
if cmp -s "$folder/dependent0/model.safetensors" "$folder/dependent3/model.safetensors"; then fail "evaluations do not draw as in the reference"; fi

# Training on from a folder of attune's keeps its head if the classes are the same.
onward() { "$train_gpt" --data "$folder/data" --context_length 48 --threads 2 --eval_freq 0 --max_steps 1 --learning_rate 1e-30 --no_final_evaluation "${@:2}" --output "$folder/$1" >"$folder/out"; }
ask() { "$predict" --model_dir "$folder/$1" --csv "$folder/data/test.csv" --format csv; }
"$train_gpt" "${small[@]}" --num_epochs 2 --output "$folder/first" >/dev/null
onward second --model_dir "$folder/first"
grep -qx "The head of $folder/first is kept (--fresh_head makes a new one)" "$folder/out" || fail "a kept head is not reported: $(cat "$folder/out")"
ask first 2>/dev/null | cmp - <(ask second 2>/dev/null) || fail "training on from a folder forgets its head"
onward fresh --model_dir "$folder/first" --fresh_head
grep -qx "The head of $folder/first is replaced by a new one: --fresh_head" "$folder/out" || fail "a new head is not reported"
if cmp -s <(ask first 2>/dev/null) <(ask fresh 2>/dev/null); then fail "--fresh_head keeps the head"; fi
onward wider --model_dir "$folder/first" --num_classes 3
grep -qx "The head of $folder/first is replaced by a new one: its outputs are others than those of the data" "$folder/out" || fail "other classes are not reported"
cp -r "$folder/first" "$folder/foreign" && sed -i 's/"attune_max_length"/"other"/' "$folder/foreign/config.json"
onward foreigner --model_dir "$folder/foreign"
grep -qx "The head of $folder/foreign is replaced by a new one: the folder was not saved by attune" "$folder/out" || fail "a folder of others is not reported"
cmp "$folder/fresh/model.safetensors" "$folder/foreigner/model.safetensors" || fail "the new heads differ"

# So it keeps what the head reads and the mask, which only a new head may change.
taken() { grep '^Taken from' "$folder/out" || true; }
expect "nothing is taken of a model with the defaults" "" "$(onward plain --model_dir "$folder/first"; taken)"
"$train_gpt" "${small[@]}" --num_epochs 2 --average_embeddings --disable_causal_mask --output "$folder/mean" >/dev/null
expect "what is taken of a folder" "Taken from $folder/mean: --average_embeddings, --disable_causal_mask" "$(onward mean2 --model_dir "$folder/mean"; taken)"
ask mean 2>/dev/null | cmp - <(ask mean2 2>/dev/null) || fail "training on from a folder forgets what the head reads"
expect "what is given is not taken" "Taken from $folder/mean: --disable_causal_mask" "$(onward mean3 --model_dir "$folder/mean" --average_embeddings; taken)"
cmp "$folder/mean2/model.safetensors" "$folder/mean3/model.safetensors" || fail "the flag that was taken gives another model"
expect "a new head may read another position" "Taken from $folder/mean: --disable_causal_mask" \
  "$(onward moved --model_dir "$folder/mean" --trainable_token_pos last --fresh_head; taken)"
grep -q '"attune_head_position": "last"' "$folder/moved/config.json" || fail "a new head does not read the position that is given"
"$train_gpt" "${small[@]}" --max_steps 1 --no_final_evaluation --trainable_token_pos first --output "$folder/begin" >/dev/null
expect "a position that is taken" "Taken from $folder/begin: --trainable_token_pos first" "$(onward begin2 --model_dir "$folder/begin"; taken)"
contradicts() { expect_error "$1" 2 "$2" --data "$folder/data" --context_length 48 --max_steps 1 "${@:3}"; }
contradicts "another position" "the position would be last, but the head of $folder/mean was trained on mean" --model_dir "$folder/mean" --trainable_token_pos last
contradicts "the mean of another head" "the position would be mean, but the head of $folder/first was trained on last" --model_dir "$folder/first" --average_embeddings
contradicts "another mask" "the head of $folder/first was trained with the causal mask" --model_dir "$folder/first" --disable_causal_mask

# Mistakes: one line, what and where.
expect_error "an unknown flag" 2 "--no_such_flag" --no_such_flag
# A number that is none, or that a run could not count to, is refused before anything is read.
for flag in learning_rate weight_decay max_grad_norm dropout; do
  expect_error "--$flag nan" 2 "--$flag: must be " "${common[@]}" --$flag nan
  expect_error "--$flag inf" 2 "not inf" "${common[@]}" --$flag inf
done
for flag in num_epochs accumulation_steps eval_iter batch_size; do
  expect_error "--$flag 0" 2 "--$flag: must be from 1 to " "${common[@]}" --$flag 0
  expect_error "--$flag 9223372036854775807" 2 "not 9223372036854775807" "${common[@]}" --$flag 9223372036854775807
done
expect_error "--threads 100000" 2 "--threads: must be from 0 to 1024, not 100000" "${common[@]}" --threads 100000
expect_error "a size of a folder" 2 "--model_dir excludes --model_size" --model_dir "$folder/first" --model_size "gpt2-small (124M)"
expect_error "a size of a config" 2 "--model_size excludes --config" "${common[@]}" --model_size "gpt2-small (124M)"
expect_error "a folder of which nothing is read" 2 "--model_dir: nothing is read from it" --data "$folder/data" --model_dir "$folder/first" --weights random --config "$folder/first/config.json" --tokenizer "$folder/tokenizer"
expect_error "random numbers of pretrained weights" 2 "--initializer needs --weights random" --data "$folder/data" --model_dir "$folder/first" --initializer gpt2
expect_error "an unknown size" 2 "gpt2-small (124M)" --model_size huge
# Groups of parameters: with a decay of 0 below the head nearly nothing but the head moves; biases and norms alone are not decayed.
for way in "--layer_decay 1e-9" "--layer_decay 1" "--decay_matrices_only --weight_decay 0.5" "--weight_decay 0.5"; do
  # shellcheck disable=SC2086  # options are words
  "$train_gpt" "${small[@]}" --max_steps 3 --no_final_evaluation $way --output "$folder/group" >/dev/null
  cp "$folder/group/model.safetensors" "$folder/group_$(tr -d ' -.' <<<"$way")"
done
cmp -s "$folder"/group_layer_decay1e9 "$folder"/group_layer_decay1 && fail "--layer_decay changes nothing"
cmp -s "$folder"/group_decay_matrices_onlyweight_decay05 "$folder"/group_weight_decay05 && fail "--decay_matrices_only changes nothing"
expect_error "a layer decay of 0" 2 "--layer_decay: must be above 0 and at most 1, not 0" "${common[@]}" --layer_decay 0
expect_error "two warm-ups" 2 "--warmup_steps excludes --warmup_ratio" "${common[@]}" --warmup_ratio 0.1 --warmup_steps 3
expect_error "cycles of another schedule" 2 "--lr_cycles needs --lr_schedule cosine_restarts" "${common[@]}" --lr_schedule cosine --lr_cycles 2
expect_error "unknown layers" 2 "all, last_block, last_two_blocks, last_layer, lora" "${common[@]}" --trainable_layers middle
expect_error "an unknown device" 2 "cpu and cuda" "${common[@]}" --device tpu
expect_error "an unknown precision" 2 "fp32" "${common[@]}" --precision fp8
expect_error "a context that is none" 2 "longest_training_example" "${common[@]}" --context_length many
expect_error "a context beyond the positions" 2 "only 64 positions" "${common[@]}" --context_length 65
expect_error "no padding in batches" 2 "--batch_size 1" "${common[@]}" --no_padding
warmed=("${common[@]}" --trainable_layers last_layer --eval_freq 0 --no_final_evaluation --learning_rate 3e-3)
expect_error "a warm-up that does not end" 0 "warning: --warmup_steps 3 is more than the 2 optimizer steps of the run: the learning rate rises only to 0.002, not to 0.003" \
  "${warmed[@]}" --warmup_steps 3 --max_steps 5 --accumulation_steps 3
expect_error "a warm-up beyond the epochs" 0 "warning: --warmup_steps 9 is more than the 8 optimizer steps of the run" "${warmed[@]}" --warmup_steps 9 --lr_schedule cosine
"$train_gpt" "${warmed[@]}" --warmup_steps 2 --max_steps 5 --accumulation_steps 3 >"$folder/out" 2>"$folder/err"
expect "a warm-up that ends with the run" "" "$(cat "$folder/err")"
expect_error "no data" 1 "$folder/none/train.csv" "${common[@]}" --data "$folder/none"
expect_error "no tokenizer" 1 "$folder/none" "${common[@]}" --tokenizer "$folder/none"
expect_error "an empty cache" 1 "hf download openai-community/gpt2" --data "$folder/data"
spoil() { rm -rf "$folder/bad" && cp -r "$folder/data" "$folder/bad" && printf "$2" >>"$folder/bad/$1"; }
spoil validation.csv 'a text,7\n'
expect_error "a label beyond the classes" 1 "validation.csv:66: the label 7 is not a class" "${common[@]}" --data "$folder/bad"
spoil test.csv 'no label here\n'
expect_error "a missing field" 1 "test.csv:66: found 1 fields where the header has 2" "${common[@]}" --data "$folder/bad"
spoil train.csv 'bad \xff text,1\n'
expect_error "broken UTF-8" 1 "train.csv:66: field 1 is not valid UTF-8" "${common[@]}" --data "$folder/bad"
expect_error "a missing column" 1 "there is no column 'review'; the columns are 'text', 'label'" "${common[@]}" --text_column review
sed 's/"n_head": 2/"n_head": 3/' "$folder/config.json" >"$folder/bad.json"
expect_error "a config that contradicts itself" 1 "n_embd 32 is not a multiple of n_head 3" "${common[@]}" --config "$folder/bad.json"
sed 's/"n_layer": 2, //' "$folder/config.json" >"$folder/bad.json"
expect_error "a config without a key" 1 "the key 'n_layer' is missing" "${common[@]}" --config "$folder/bad.json"
cp -r "$folder/one" "$folder/cut" && head -c 5000 "$folder/one/model.safetensors" >"$folder/cut/model.safetensors"
expect_error "truncated weights" 1 "cut/model.safetensors: not a valid safetensors file" --data "$folder/data" --model_dir "$folder/cut" --context_length 32
cp -r "$folder/one" "$folder/wide" && sed -i 's/"n_inner": 128/"n_inner": 64/' "$folder/wide/config.json"
expect_error "a wrong shape" 1 "has shape [32, 128] where [32, 64] is needed" --data "$folder/data" --model_dir "$folder/wide" --context_length 32
expect_error "an output that is a file" 1 "config.json" "${common[@]}" --output "$folder/config.json"

# No room on the disk while saving (a limit on file sizes): one line, nothing half-written, the old model kept.
before=$(sha256sum <"$folder/one/model.safetensors")
(failures=0; ulimit -f 8; expect_error "no room for the model" 1 "$folder/one: a file of 1 MB will be saved" "${small[@]}" --max_steps 1 --no_final_evaluation --output "$folder/one"; exit "$failures") || fail "disk full"
expect "the model after a failed save" "$before" "$(sha256sum <"$folder/one/model.safetensors")"
expect "leftovers of a failed save" "" "$(find "$folder/one" -name 'model.safetensors.*')"

finish
