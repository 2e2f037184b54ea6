#!/usr/bin/env bash
# Training low-rank changes on the command line: only they and the head are trained, the saved model has them in its weights, a resumed run
# has the bits of an uninterrupted one, and the changes alone become a folder.
#
# usage: lora_test.sh TRAIN_GPT TRAIN_BERT PREDICT TOKENIZE PREPARE_IMDB
set -euo pipefail
train_gpt=$1 train_bert=$2 predict=$3 tokenize=$4 prepare_imdb=$5
program=$train_gpt
. "$(dirname "$0")/checks.sh"

invented_data 200 300
small_gpt2 300
small_bert "$folder/bert"
common=(--data "$folder/data" --tokenizer "$folder/tokenizer" --weights random --config "$folder/config.json" --context_length 24 --threads 2 --eval_freq 0)
lora=("${common[@]}" --trainable_layers lora --lora_rank 2 --lora_dropout 0.1)

# 16 wide, one block: qkv 2 x 16 + 48 x 2, projection 64, fc 2 x 16 + 64 x 2, fc_out 2 x 64 + 16 x 2, and the head's 16 x 2 + 2.
"$train_gpt" "${lora[@]}" --max_steps 20 --learning_rate 1e-2 --output "$folder/lora" >"$folder/out"
expect "what is trained" "of which trained: 546" "$(grep -o 'of which trained: [0-9]*' "$folder/out")"
"$train_gpt" "${lora[@]}" --lora_targets qkv,fc --max_steps 1 --no_final_evaluation >"$folder/out"
expect "trained targets" "of which trained: 322" "$(grep -o 'of which trained: [0-9]*' "$folder/out")"

# The saved model predicts what the run evaluated.
"$train_gpt" "${lora[@]}" --max_steps 20 --learning_rate 1e-2 --output "$folder/again" --log_file "$folder/log" >"$folder/out"
expect "equal runs" "" "$(cmp "$folder/lora/model.safetensors" "$folder/again/model.safetensors" 2>&1)"
"$predict" --model_dir "$folder/again" --csv "$folder/data/test.csv" --format csv 2>/dev/null >"$folder/predicted"
label=$(head -1 "$folder/predicted" | tr , '\n' | grep -n '^label$' | cut -d: -f1)
right=$(paste -d' ' <(tail -n +2 "$folder/data/test.csv" | grep -o '.$') <(tail -n +2 "$folder/predicted" | cut -d, -f"$label" | sed 's/LABEL_//') | awk '$1 == $2' | wc -l)
expect "predictions and the run's evaluation" "$(grep '^Test' "$folder/out")" "Test accuracy: $(awk -v r="$right" -v n="$(($(wc -l <"$folder/data/test.csv") - 1))" 'BEGIN {printf "%.2f%%", 100 * r / n}')"
"$train_gpt" "${common[@]}" --trainable_layers last_layer --max_steps 20 --learning_rate 1e-2 --output "$folder/head" >/dev/null
cmp -s "$folder/head/model.safetensors" "$folder/lora/model.safetensors" && fail "the changes are not in the saved weights"

# Interrupted after a checkpoint and resumed.
"$train_gpt" "${lora[@]}" --max_steps 20 --learning_rate 1e-2 --checkpoint_every 8 --output "$folder/kept" >/dev/null
checkpoint=$(find "$folder/kept/checkpoints" -name '*.safetensors' | sort | tail -1)
[ -n "$checkpoint" ] || fail "no checkpoint"
"$train_gpt" "${lora[@]}" --max_steps 20 --learning_rate 1e-2 --resume "$checkpoint" --output "$folder/resumed" >/dev/null
expect "resumed run" "" "$(cmp "$folder/lora/model.safetensors" "$folder/resumed/model.safetensors" 2>&1)"
"$train_gpt" "${lora[@]}" --max_steps 20 --learning_rate 1e-2 --recompute --output "$folder/recomputed" >/dev/null
expect "recomputed run" "" "$(cmp "$folder/lora/model.safetensors" "$folder/recomputed/model.safetensors" 2>&1)"

expect_error "unknown target" 2 "--lora_targets: 'value' is unknown; the targets are all, attention" "${lora[@]}" --lora_targets value
expect_error "no target" 2 "--lora_targets: '' is unknown" "${lora[@]}" --lora_targets ,
expect_error "rank 0" 2 "lora_rank" "${lora[@]}" --lora_rank 0
expect_error "options without LoRA" 2 "need --trainable_layers lora" "${common[@]}" --lora_rank 4
expect_error "changes of random weights" 2 "--save_adapter needs a pretrained model" "${lora[@]}" --save_adapter "$folder/adapter"

# The changes of a pretrained model alone.
program=$train_bert
bert=(--model_dir "$folder/bert" --data "$folder/data" --context_length 24 --threads 2 --eval_freq 0 --trainable_layers lora --max_steps 5)
"$train_bert" "${bert[@]}" --save_adapter "$folder/adapter" --output "$folder/merged" >"$folder/out"
grep -q "Saved the low-rank changes to $folder/adapter" "$folder/out" || fail "nothing says where the changes are"
expect "files of the changes" "adapter_config.json adapter_model.safetensors" "$(ls "$folder/adapter" | tr '\n' ' ' | sed 's/ $//')"
grep -q '"peft_type": "LORA"' "$folder/adapter/adapter_config.json" || fail "no configuration of peft"
grep -aq 'base_model.model.bert.encoder.layer.0.attention.self.key.lora_B.weight' "$folder/adapter/adapter_model.safetensors" || fail "no matrix of the keys"
expect_error "the folder of the whole model" 2 "--save_adapter $folder/both is the folder of a whole model" "${bert[@]}" --save_adapter "$folder/both" --output "$folder/both"
expect_error "the folder of the base model" 2 "is the folder of a whole model" "${bert[@]}" --save_adapter "$folder/../${folder##*/}/bert"
cp -r "$folder/bert" "$folder/foreign"
expect_error "the folder of another model" 2 "is the folder of a whole model" "${bert[@]}" --save_adapter "$folder/foreign"
expect_error "a base that attune did not write" 1 "has config.json, model.safetensors, which attune did not write" "${bert[@]}" --model_dir "$folder/foreign" --save_adapter "$folder/adapter4" --output "$folder/foreign"
sed -i '1s/{/{"attune_max_length": 24, /' "$folder/foreign/config.json"
expect_error "a base that is replaced" 2 "which --output $folder/foreign would replace" "${bert[@]}" --model_dir "$folder/foreign" --save_adapter "$folder/adapter4" --output "$folder/foreign"
echo >"$folder/a_file"
expect_error "a file in the place of the folder" 1 "a_file" "${bert[@]}" --save_adapter "$folder/a_file" --max_steps 1000000
expect_error "a log in the place of a file" 1 "the run reads or writes this file" "${bert[@]}" --save_adapter "$folder/adapter" --log_file "$folder/adapter/adapter_config.json"
"$train_bert" "${bert[@]}" --checkpoint_every 2 --output "$folder/begun" >/dev/null
cp -r "$folder/bert" "$folder/bert2"
printf '<>=<>=<>=<>=' | dd of="$folder/bert2/model.safetensors" bs=1 seek=$(($(stat -c %s "$folder/bert2/model.safetensors") / 2 / 4 * 4)) conv=notrunc 2>/dev/null
checkpoint=$(find "$folder/begun/checkpoints" -name '*.safetensors' | sort | tail -1)
"$train_bert" "${bert[@]}" --resume "$checkpoint" --save_adapter "$folder/adapter3" >/dev/null 2>&1 || fail "a resumed run cannot save its changes"
expect_error "other pretrained weights" 1 "the run that is resumed began with other pretrained weights" "${bert[@]}" --model_dir "$folder/bert2" --resume "$checkpoint" --save_adapter "$folder/adapter2"
# One run at a time has the folder, from its start on.
"$train_bert" "${bert[@]}" --max_steps 0 --num_epochs 100000 --save_adapter "$folder/busy" --log_file "$folder/busy.log" >/dev/null 2>&1 & pid=$!
until [ -s "$folder/busy.log" ]; do sleep 0.1; done
expect_error "a second run" 1 "$folder/busy: another run (process $pid) is writing to this folder" "${bert[@]}" --save_adapter "$folder/busy"
kill -INT $pid
wait $pid || true
[ ! -e "$folder/busy" ] || fail "an interrupted run leaves an empty folder for its changes"
mkdir -p "$folder/taken/adapter_config.json"
expect_error "a folder in the place of a file" 1 "adapter_config.json" "${bert[@]}" --save_adapter "$folder/taken"
finish
