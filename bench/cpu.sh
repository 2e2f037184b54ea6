#!/usr/bin/env bash
# Everything that has a peer on the CPU, next to its peers in one run: matrix products, training steps, predictions, tokenizers,
# logistic regression. Writes RESULTS/cpu-PROCESSOR.md; with --parts it renews these parts of the file alone. About an hour on two cores.
#
# usage: bench/cpu.sh [options]
#   --data DIR        train.csv, validation.csv and test.csv (prepare_imdb)
#   --minilm DIR      folder of all-MiniLM-L6-v2, an encoder 384 wide that fits everywhere
#   --tokenizers DIR  folder of one folder per tokenizer, each with its tokenizer.json
#   --peer FILE       a shared library with cblas_sgemm or dnnl_sgemm; may be given several times
#   --bin DIR         the programs (default: build/release/bin)
#   --python FILE     Python with torch, transformers, onnxruntime, onnx, onnxscript, tiktoken, scikit-learn, pandas (default: python3)
#   --parts LIST      of products (need --peer), steps (--minilm), predictions (--data, --minilm), tokenizers (--data, --tokenizers),
#                     logreg (--data); default: all
#   --results DIR     (default: bench/results)
set -euo pipefail
cd "$(dirname "$0")/.."

usage() { sed -n '5,15s/^# \{0,1\}//p' "$0"; }
fail() { echo "bench/cpu.sh: $*" >&2; exit 2; }

data='' minilm='' tokenizers='' bin=build/release/bin python=python3 parts=products,steps,predictions,tokenizers,logreg results=bench/results peers=()
while [ $# -gt 0 ]; do
  case $1 in
    --help) usage; exit ;;
    --data | --minilm | --tokenizers | --bin | --python | --parts | --results) [ $# -ge 2 ] || fail "$1 needs a value"; declare "${1#--}=$2"; shift 2 ;;
    --peer) [ $# -ge 2 ] || fail "$1 needs a value"; peers+=(--peer "$2"); shift 2 ;;
    *) fail "unknown option $1; --help lists them" ;;
  esac
done
for part in ${parts//,/ }; do
  case $part in
    products) [ ${#peers[@]} -gt 0 ] || fail "products need at least one --peer" ;;
    steps) [ -n "$minilm" ] || fail "steps need --minilm" ;;
    predictions) [ -n "$data" ] && [ -n "$minilm" ] || fail "predictions need --data and --minilm" ;;
    tokenizers) [ -n "$data" ] && [ -n "$tokenizers" ] || fail "tokenizers need --data and --tokenizers" ;;
    logreg) [ -n "$data" ] || fail "logreg needs --data" ;;
    *) fail "--parts has no $part" ;;
  esac
done

cores=$(nproc)
processor=$(sed -n '/^model name/{s/^[^:]*: //p;q}' /proc/cpuinfo)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The libraries take their threads and instruction sets from the environment.
products() {
  local level threads
  for level in avx512 avx2; do
    [ $level = avx2 ] || grep -q avx512vl /proc/cpuinfo || continue
    for threads in $(printf '1\n%s\n' "$cores" | sort -un); do
      local environment=(ATTUNE_CPU_LEVEL=$level OMP_NUM_THREADS="$threads" OPENBLAS_NUM_THREADS="$threads" MKL_NUM_THREADS="$threads" OMP_WAIT_POLICY=passive)
      [ $level = avx512 ] || environment+=(DNNL_MAX_CPU_ISA=AVX2 OPENBLAS_CORETYPE=HASWELL MKL_ENABLE_INSTRUCTIONS=AVX2)
      printf '### Products, %s, %s threads\n\n' "$level" "$threads"
      env "${environment[@]}" taskset -c "0-$((threads - 1))" "$bin/bench_matmul" --threads "$threads" --rounds 5 --milliseconds 20 "${peers[@]}"
      echo
    done
  done
  for level in amx avx512 avx2; do
    case $level in
      amx) grep -q amx_bf16 /proc/cpuinfo || continue ;;
      avx512) grep -q avx512vl /proc/cpuinfo || continue ;;
    esac
    printf '### Products in bfloat16, %s, 1 thread\n\n' "$level"
    ATTUNE_CPU_LEVEL=$level taskset -c 0 "$bin/bench_matmul" --bfloat16 --threads 1 --rounds 3 --milliseconds 20
    echo
  done
}

steps() {
  "$bin/bench_train_step" --steps 0 --save "$work/gpt-2x256" >"$work/log"
  local level
  # compare CONFIGURATIONS ROWS
  compare() {
    env "${environment[@]}" "$python" scripts/bench_rows.py --device cpu --bin "$bin" --python "$python" --together 1 --steps 4 --warmup 2 --limit 300 \
      --budget 3600 --configurations "$1" --rows "$2" "$work/rows" 2>>"$work/log"
    echo
  }
  for level in avx512 avx2; do
    [ $level = avx2 ] || grep -q avx512vl /proc/cpuinfo || continue
    local environment=(ATTUNE_CPU_LEVEL=$level)
    [ $level = avx512 ] || environment+=(DNNL_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2 ATEN_CPU_CAPABILITY=avx2)
    printf '### Training steps, 8 x 256, %s, %s threads\n\n' "$level" "$cores"
    compare fp32:eager:eager,fp32:eager:sdpa,fp32:compile:sdpa "$work/gpt-2x256,$minilm,bert,gpt2"
  done
  if grep -qE 'avx512_bf16|amx_bf16' /proc/cpuinfo; then
    local environment=()
    printf '### Training steps in bfloat16, 8 x 256, %s threads\n\n' "$cores"
    compare bf16:eager:sdpa "$minilm,bert"
  fi
}

predictions() {
  "$bin/train_bert" --model_dir "$minilm" --data "$data" --context_length 256 --max_steps 40 --learning_rate 3e-4 --eval_freq 0 --no_final_evaluation --output "$work/model" >"$work/log"
  printf '### Predictions\n\n'
  "$python" bench/peers/time_predictions.py --predict "$bin/predict" --model_dir "$work/model" --csv "$data/test.csv" --rounds 2 2>>"$work/log"
  echo
}

tokenizers() {
  printf '### Tokenizers\n\n```\n'
  taskset -c 0 "$python" bench/peers/time_tokenizers.py --bench "$bin/bench_tokenizers" --tokenizers "$tokenizers" --csv "$data/test.csv" --passes 3
  printf '```\n\n'
}

logreg() {
  printf '### Bag of words and logistic regression\n\n```\n'
  taskset -c 0 "$python" bench/peers/logreg_sklearn.py --data "$data" --train_logreg "$bin/train_logreg"
  printf '```\n\n'
}

file=$results/cpu-$(echo "$processor" | tr -cs '[:alnum:]\n' '-' | tr '[:upper:]' '[:lower:]' | sed 's/-*$//').md
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
touch "$work/log"
for part in ${parts//,/ }; do
  echo "bench/cpu.sh: $part" >&2
  printf '## %s\n\n%s, commit %s.\n\n' "$part" "$(date +%F)" "$commit" >"$work/$part.md"
  # In a shell of its own: set -e does not hold in a command that is tested.
  set +e
  (set -e; "$part") >>"$work/$part.md"
  status=$?
  set -e
  [ $status -eq 0 ] || { tail -n 20 "$work/log" >&2; echo "bench/cpu.sh: $part failed" >&2; exit $status; }
done
{
  printf '# %s, %s cores\n\nWritten by `bench/cpu.sh`. The figures of a table are of one run, contenders in turn.\n\n' "$processor" "$cores"
  for part in products steps predictions tokenizers logreg; do
    if [ -f "$work/$part.md" ]; then
      cat "$work/$part.md"
    elif [ -f "$file" ]; then
      awk -v part="$part" '/^## /{ keep = $2 == part } keep' "$file"
    fi
  done
} >"$work/results.md"
mkdir -p "$results"
mv "$work/results.md" "$file"
echo "$file"
