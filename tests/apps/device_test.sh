#!/usr/bin/env bash
# train_gpt, predict and evaluate on the CUDA device, a GPU or the simulator: the CPU's losses, the same bits from equal runs, a model that
# both devices read; and what they say where there is no device, no memory, or no kernel for a model.
#
# usage: device_test.sh TRAIN_GPT PREDICT TOKENIZE PREPARE_IMDB EVALUATE BACKEND (nvidia or simulated)
set -euo pipefail
train_gpt=$1 predict=$2 tokenize=$3 prepare_imdb=$4 evaluate=$5 backend=$6
program=$train_gpt
. "$(dirname "$0")/checks.sh"

invented_data 13 300
config() { echo "{\"model_type\": \"gpt2\", \"vocab_size\": 300, \"n_positions\": 16, \"n_embd\": $1, \"n_layer\": 1, \"n_head\": $2}"; }
config 32 2 >"$folder/config.json"
common=(--data "$folder/data" --tokenizer "$folder/tokenizer" --weights random --config "$folder/config.json" --context_length 16
  --batch_size 4 --trainable_layers all --eval_freq 2 --eval_iter 1 --max_steps 3 --no_final_evaluation)

if [ "$backend" = simulated ]; then
  unset ATTUNE_SIMULATE_GPU
  expect_error "a build without CUDA" 1 "this build of attune has no CUDA" "${common[@]}" --device cuda
  export ATTUNE_SIMULATE_GPU=1
fi

export ATTUNE_MATMUL_CACHE=$folder/matmul.txt  # equal runs take the same algorithms
train() { "$train_gpt" "${common[@]}" --log_file "$folder/$1.log" --output "$folder/$1" "${@:2}" >"$folder/$1.out"; }
losses() { sed -n 's/.*"loss": *\([^,]*\), *"learning.*/\1/p' "$folder/$1.log"; }
apart() { paste -d' ' <(losses "$1") <(losses "$2") | awk -v most="$3" '{d = ($1 - $2) / $2; if (d < 0) d = -d; if (d > m) m = d} END {print (NR == 3 && m <= most) ? "agree" : "differ"}'; }
train cpu
train cpu_bf16 --precision bf16 2>"$folder/cpu_bf16.err"
train cuda --device cuda
train again --device cuda
train bf16 --device cuda --precision bf16
train tf32 --device cuda --precision tf32
train direct --device cuda --no_graphs
grep -qE '^Predicted peak memory: [0-9.]+ (MiB|GiB) of [0-9.]+ GiB on ' "$folder/cuda.out" || fail "the predicted memory"
expect "float32 and the CPU" agree "$(apart cuda cpu 1e-5)"
expect "bfloat16 and the CPU" agree "$(apart bf16 cpu 0.02)"
expect "bfloat16 products on the CPU" agree "$(apart cpu_bf16 cpu 0.02)"
expect "bfloat16 products are not float32" differ "$(apart cpu_bf16 cpu 1e-7)"
fast() { grep -q amx_bf16 /proc/cpuinfo || { grep -q avx512_bf16 /proc/cpuinfo && grep -q AuthenticAMD /proc/cpuinfo; }; }
if fast && [ -z "${ATTUNE_CPU_LEVEL:-}" ]; then slow=; else slow=warning; fi
expect "a warning without the instruction" "$slow" "$(grep -oE '^warning: neither AMX nor the AVX512-BF16 of AMD is available .*slower than fp32' "$folder/cpu_bf16.err" | cut -d: -f1 || true)"
expect "TF32 and the CPU" agree "$(apart tf32 cpu 0.01)"
[ "$backend" != simulated ] || expect "TF32 is no float32" differ "$(apart tf32 cpu 1e-6)"  # a GPU may but need not round
cmp "$folder/cuda/model.safetensors" "$folder/again/model.safetensors" || fail "equal runs differ"
cmp "$folder/cuda/model.safetensors" "$folder/direct/model.safetensors" || fail "captured steps differ from direct ones"

# The saved model on either device; what bfloat16 training saves is float32.
answer() { "$predict" --model_dir "$folder/$1" --text "It never lost me." --text "I left early." --format csv "${@:2}" | tail -n +2; }
both=$(paste -d, <(answer cuda) <(answer cuda --device cuda) | awk -F, '{d = $4 - $9; if (d < 0) d = -d; if (d > m) m = d} END {print (NR == 2 && m < 1e-5) ? "agree" : "differ"}')
expect "predictions of both devices" agree "$both"
train best --device cuda --precision bf16 --keep_best loss --eval_freq 1 --learning_rate 0.1
validation_loss() { "$evaluate" --model_dir "$folder/best" --data "$folder/data/validation.csv" --json "$@" | tr -d ' \n' | sed 's/.*"loss":\([^,]*\),.*/\1/'; }
best=$(sed -n 's/.*"best_step".*"value": *\([^}]*\)}.*/\1/p' "$folder/best.log")
near() { awk -v a="$1" -v b="$2" -v most="$3" 'BEGIN {d = (a - b) / a; if (d < 0) d = -d; print (a != "" && b != "" && d <= most) ? "agree" : "differ"}'; }
expect "the best model and its evaluation" agree "$(near "$best" "$(validation_loss --device cuda --precision bf16)" 1e-6)"
expect "evaluations of both devices" agree "$(near "$best" "$(validation_loss)" 0.02)"
expect "predictions with bfloat16 products" differ "$(cmp -s <(answer cpu) <(answer cpu --precision bf16) && echo equal || echo differ)"
answer bf16 >/dev/null || fail "a model trained in bfloat16 cannot be read"
expect "bytes of both checkpoints" "$(wc -c <"$folder/cuda/model.safetensors")" "$(wc -c <"$folder/bf16/model.safetensors")"

# Mistakes.
expect_error "TF32 on the CPU" 2 "needs --device cuda; the cpu has fp32 and bf16" "${common[@]}" --precision tf32
expect_error "an unknown precision" 2 "fp32, tf32 and bf16" "${common[@]}" --device cuda --precision fp8
expect_error "an unknown attention" 2 "there are own and cudnn" "${common[@]}" --attention flash
expect_error "cuDNN's attention on the CPU" 2 "needs --device cuda --precision bf16" "${common[@]}" --precision bf16 --attention cudnn
expect_error "cuDNN's attention in float32" 2 "needs --device cuda --precision bf16" "${common[@]}" --device cuda --attention cudnn
config 264 2 >"$folder/wide.json"
expect_error "a head no kernel has" 1 "head" "${common[@]}" --config "$folder/wide.json" --device cuda
if [ "$backend" = simulated ]; then
  expect_error "no cuDNN" 1 "this build has none" "${common[@]}" --device cuda --precision bf16 --attention cudnn
  export ATTUNE_SIMULATED_MEMORY=400000
  expect_error "too little memory" 1 "smaller --batch_size" "${common[@]}" --device cuda
  grep -qE '[0-9]+ bytes asked for, [0-9]+ of 400000 free' "$folder/err" || fail "the bytes asked for and free: $(cat "$folder/err")"
  grep -qF -- "--precision bf16" "$folder/err" || fail "a precision that needs less is not named"
  expect_error "too little memory in bfloat16" 1 "smaller --batch_size" "${common[@]}" --device cuda --precision bf16
  if grep -qF -- "--precision" "$folder/err"; then fail "the precision in force is advised"; fi
  # A batch far beyond the memory is a warning before the run begins.
  ATTUNE_SIMULATED_MEMORY=4000000 "$train_gpt" "${common[@]}" --device cuda --data "$folder/all" --batch_size 1000 --max_train_examples 1000 \
    --max_eval_examples 10 >"$folder/out" 2>"$folder/err" && fail "a batch that does not fit"
  grep -qE '^Predicted peak memory: [0-9.]+ MiB of 3.8 MiB on ' "$folder/out" || fail "the predicted memory of a large batch: $(cat "$folder/out")"
  grep -qE '^warning: the run will hardly fit .*--batch_size.*--context_length.*--precision bf16' "$folder/err" || fail "no warning of too little memory: $(cat "$folder/err")"
  grep -qE '^With --recompute: [0-9.]+ MiB, [0-9.]+ MiB less for each of [0-9]+ blocks$' "$folder/out" || fail "what --recompute would save: $(cat "$folder/out")"
  program=$predict
  ATTUNE_SIMULATED_MEMORY=200000 expect_error "too little memory to predict" 1 "less is needed with a smaller --batch_size or --precision bf16" \
    --model_dir "$folder/cuda" --csv "$folder/data/test.csv" --device cuda
  ATTUNE_SIMULATED_MEMORY=100000 expect_error "too little memory to predict in bfloat16" 1 "less is needed with a smaller --batch_size" \
    --model_dir "$folder/cuda" --csv "$folder/data/test.csv" --device cuda --precision bf16
  if grep -qF -- "--precision" "$folder/err"; then fail "the precision in force is advised to predict"; fi
fi
finish
