#!/usr/bin/env bash
# Builds attune on a machine with an NVIDIA GPU, tests its kernels there, runs them under compute-sanitizer, times the training step of every
# model next to PyTorch's (scripts/bench_rows.py) and all kernels, and writes one report: OUTPUT_FOLDER/report.md, with logs and raw figures
# next to it. Ten minutes on 16 cores; a stage that fails or is too slow is reported and does not stop the others. Exits with 1 if any stage
# failed.
#
# usage: scripts/gpu_report.sh [options] OUTPUT_FOLDER
#   --dependencies FOLDER   libraries staged by scripts/stage_dependencies.sh, where they are not installed
#   --data FOLDER           the real data (ATTUNE_DATA), for the tests that need it
#   --simulate              the same stages on the block simulator, as far as they reach; also what happens without nvcc or a GPU
#   --asan                  with --simulate: the simulated tests under AddressSanitizer too, in place of the sanitizers of a GPU
#   --commit TEXT           what is measured, where the sources are no git repository
#   --build FOLDER          where to build (build/cuda or build/simulated). Programs that are already there, in FOLDER, bin or tests, are
#                           used as they are where nvcc is missing or `build` is not among the stages
#   --stages LIST           of build,tests,sanitizers,train_steps,kernels,fine_tuning (all)
#   --budget SECONDS        for everything together (600); the limit of each stage is a share of it
set -uo pipefail
usage() { sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; }
mistake() {
  echo "gpu_report: $*" >&2
  exit 2
}

all_stages=build,tests,sanitizers,train_steps,kernels,fine_tuning
dependencies='' data=${ATTUNE_DATA:-} simulate='' asan='' commit='' budget=600 build='' stages=$all_stages output=''
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage && exit 0 ;;
    --simulate) simulate='as asked' && shift && continue ;;
    --asan) asan=1 && shift && continue ;;
    --dependencies | --data | --commit | --build | --budget | --stages)
      [ $# -ge 2 ] || mistake "$1 needs a value"
      declare "${1#--}=$2" && shift 2 && continue
      ;;
    -*) mistake "$1 is no option (--help lists them)" ;;
  esac
  [ -z "$output" ] || mistake "one output folder, not $output and $1"
  output=$1 && shift
done
[ -n "$output" ] || mistake "an output folder is needed"
[[ $budget =~ ^[0-9]+$ ]] || mistake "--budget $budget is no number of seconds"
for name in ${stages//,/ }; do [[ ,$all_stages, == *,$name,* ]] || mistake "--stages $name is none of $all_stages"; done
asked_stages=$stages
wanted() { [[ ,$stages, == *,$1,* ]]; }
for folder in $dependencies $data; do [ -d "$folder" ] || mistake "$folder is no folder"; done
command -v python3 >/dev/null || mistake "python3 is needed to write the report"
mkdir -p "$output" && output=$(cd "$output" && pwd) || mistake "$output cannot be made"
[ -z "$dependencies" ] || dependencies=$(cd "$dependencies" && pwd)
if [ -n "$data" ]; then
  ATTUNE_DATA=$(cd "$data" && pwd)
  export ATTUNE_DATA
fi
cd "$(dirname "$0")/.." || exit 2
rm -rf "$output"/{report.md,stages.jsonl,about.json,ctest.xml,kernels.json,fine_tuning.txt,train_step,logs}
mkdir -p "$output/logs" "$output/train_step"

cuda=${CUDA_HOME:-/usr/local/cuda}
[ ! -d "$cuda/bin" ] || PATH=$PATH:$cuda/bin
# program NAME: its path in the folder of the build
program() {
  local at
  for at in "$build/bin/$1" "$build/tests/$1" "$build/$1"; do [ ! -x "$at" ] || break; done
  echo "$at"
}
if [ -z "$simulate" ]; then
  nvidia-smi >/dev/null 2>&1 || simulate='no GPU here'
  if ! command -v nvcc >/dev/null; then
    [ -x "$(program bench_train_step)" ] || [ -x "$(program kernels_cuda_test)" ] || simulate='no nvcc here'
    stages=${stages/build/}
  fi
fi
cores=$(nproc)
if [ -n "$simulate" ]; then
  preset=simulated label=simulated stages=$asked_stages
  export ATTUNE_SIMULATE_GPU=1
else
  preset=cuda label=gpu
fi
build=${build:-build/$preset}
# Products that were measured while tests ran must not choose the algorithms of the timed runs.
tests_cache=ATTUNE_MATMUL_CACHE=$output/matmul_tests.txt

# ---- stages

# record NAME STATUS CODE SECONDS LIMIT LOG NOTE COMMAND: one line of stages.jsonl
record() {
  python3 -c 'import json, sys
keys = ("name", "status", "code", "seconds", "limit", "log", "note", "command")
row = dict(zip(keys, sys.argv[1:]))
row.update({key: int(row[key]) for key in ("code", "seconds", "limit")})
print(json.dumps(row))' "$@" >>"$output/stages.jsonl"
  printf 'gpu_report: %-34s %s (%s s)%s\n' "$1" "$2" "$4" "${7:+: $7}"
}
not_available() { record "$1" 'not available' 0 0 0 '' "$2" ''; }

# stage NAME LIMIT STDOUT COMMAND...: runs it for at most LIMIT six hundredths of the budget, or what is left of it. STDOUT is a file, or -
# for the log.
stage() {
  local name=$1 limit=$(($2 * budget / 600)) to=$3 begin=$SECONDS code=0 status=ok left=$((budget - 8 - SECONDS))
  shift 3
  local log=logs/${name//[^a-z0-9]/_}.log
  [ "$limit" -le "$left" ] || limit=$left
  if [ "$limit" -lt 3 ]; then
    record "$name" 'no time left' 0 0 0 '' '' "$*"
    return 1
  fi
  [ "$to" != - ] || to=$output/$log.out
  timeout --kill-after=5 "$limit" "$@" >"$to" 2>"$output/$log" </dev/null || code=$?
  [ "$to" != "$output/$log.out" ] || { cat "$to" "$output/$log" >"$to.both" && mv "$to.both" "$output/$log" && rm "$to"; }
  case $code in
    0) ;;
    124 | 137) status='timed out' ;;
    *) status=failed ;;
  esac
  record "$name" "$status" $code $((SECONDS - begin)) "$limit" "$log" '' "$*"
  return $code
}

write_about() {
  local torch
  torch=$(timeout 60 python3 -c 'import torch; print(torch.__version__, "with CUDA" if torch.cuda.is_available() else "without CUDA")' 2>/dev/null) || torch=none
  [ -n "$commit" ] || commit=$(git describe --always --dirty --abbrev=12 2>/dev/null) || commit=unknown
  [[ $torch == *"with CUDA" ]] && torch_cuda=1
  python3 - "$output/about.json" "$simulate" "$commit" "$torch" "$cores" <<'PYTHON'
import datetime, json, subprocess, sys
output, simulate, commit, torch, cores = sys.argv[1:]
def first(*command):
    try:
        lines = subprocess.run(command, capture_output=True, text=True, timeout=30).stdout.strip().splitlines()
        return lines[-1] if command[0] == "nvcc" else lines[0]
    except (OSError, IndexError, subprocess.TimeoutExpired):
        return "none"
json.dump({
    "device": f"the block simulator ({simulate})" if simulate else first("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"),
    "driver": "" if simulate else first("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"),
    "CUDA toolkit": first("nvcc", "--version"),
    "compiler": first("c++", "--version"),
    "cmake": first("cmake", "--version"),
    "PyTorch": torch,
    "cores": cores,
    "commit": commit,
    "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
}, open(output, "w"), indent=1)
PYTHON
}

# Configures and builds only the targets that the stages need, without CPU tests.
build_all() {
  local options=(-D ATTUNE_WERROR=OFF) capability
  [ -z "$dependencies" ] || options+=(-D "ATTUNE_DEPENDENCIES=$dependencies")
  if [ -z "$simulate" ]; then
    capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -1)
    case $capability in
      9.*) options+=(-D CMAKE_CUDA_ARCHITECTURES=90a-real) ;;
      8.*) options+=(-D CMAKE_CUDA_ARCHITECTURES=80-real) ;;
      *) options+=(-D CMAKE_CUDA_ARCHITECTURES=80) ;;  # compiled for the card when it is loaded
    esac
  fi
  # cuDNN is part of the toolkit, or comes with PyTorch.
  local cudnn=''
  if [ -z "$simulate" ] && [ -f "$dependencies/usr/include/cudnn_frontend.h" ]; then
    cudnn=$(python3 -c 'import nvidia.cudnn; print(list(nvidia.cudnn.__path__)[0])' 2>/dev/null) ||
      cudnn=$(find "$(dirname "$(dirname "$(readlink -f "$(command -v nvcc)")")")" -name cudnn_graph.h -printf '%h\n' -quit)
    [ -z "$cudnn" ] || options+=(-D ATTUNE_CUDNN=ON -D "CMAKE_PREFIX_PATH=$cudnn")
  fi
  with_cudnn=${cudnn:+1}
  built=1
  stage configure 90 - cmake --preset $preset -B "$build" "${options[@]}" || return
  local known targets
  known=$(cmake --build "$build" --target help | sed -nE 's/^([A-Za-z0-9_]+):.*/\1/p')
  targets=$({ # a test is named after its program, or after it and what it runs of it
    ctest --test-dir "$build" -N -L $label | sed -nE 's/^ *Test +#[0-9]+: ([A-Za-z0-9_]+).*/\1/p'
    printf '%s\n' bench_kernels bench_train_step prepare_imdb tokenize train_gpt train_bert predict evaluate
  } | awk 'NR == FNR { known[$1]; next } { for (name in known) if (index($1 "_", name "_") == 1) print name }' <(echo "$known") - | sort -u)
  # shellcheck disable=SC2086  # targets are words
  stage build 330 - cmake --build "$build" --parallel "$cores" --target $targets -- -k 0
}

# CTest ends its tests before the stage's limit, so that its file has the finished tests. Whole models and long runs are too slow for the simulator.
run_tests() {
  local limit=$((150 * budget / 600)) options=()
  if [ -z "$built" ] && { [ ! -f "$build/CTestTestfile.cmake" ] || ! command -v ctest >/dev/null; }; then
    run_test_programs
    return
  fi
  [ -z "$simulate" ] || options=(--label-exclude 'golden|slow')
  stage tests 160 - env "$tests_cache" ctest --test-dir "$build" -L $label "${options[@]}" --output-junit "$output/ctest.xml" --output-on-failure --test-output-truncation head \
    --timeout "$limit" --stop-time "$(date -d "+$limit seconds" +%H:%M:%S)" --parallel 4
}

# Without CTest: every test program of the folder, four at a time. Their results become the same file.
run_test_programs() {
  local path options running=0
  for path in "$build"/tests/*_test "$build"/bin/*_test "$build"/*_test; do
    [ -x "$path" ] || continue
    options=()
    [[ $path != */golden_* ]] || options=('--gtest_filter=*cuda*')  # the others are the CPU's
    if [ $((running += 1)) -gt 4 ]; then wait -n; fi
    stage "test ${path##*/}" 160 - env "$tests_cache" "$path" "${options[@]}" &
  done
  wait
  python3 - "$output" <<'PYTHON'
import json, pathlib, sys, xml.etree.ElementTree as tree
output = pathlib.Path(sys.argv[1])
suite = tree.Element("testsuite")
for stage in map(json.loads, (output / "stages.jsonl").read_text().splitlines()):
    if stage["name"].startswith("test "):
        status = "run" if stage["code"] == 0 else "notrun" if stage["code"] == 77 else "fail"
        case = tree.SubElement(suite, "testcase", name=stage["name"].removeprefix("test "), time=str(stage["seconds"]), status=status)
        text = (output / stage["log"]).read_text(errors="replace")
        tree.SubElement(case, "system-out").text = "".join(c for c in text if c.isprintable() or c in "\t\n")
tree.ElementTree(suite).write(output / "ctest.xml")
PYTHON
}

# The kernel tests that a sanitizer can finish in its time. Racecheck follows every access to shared memory: one width of each kernel.
sanitizer_cases='Table/CudaOp.AgreesWithTheCpuUnderEverySchedule/*:CudaCases.*-*40009*:*1000*:*1031*:*several_blocks*:*long_window*:*x768*'
racecheck_cases='*Schedule/*x131*:*Schedule/*x132*:*Schedule/linear_131*:*Schedule/adamw_4x165:*Schedule/grad_norm_4x165:*Schedule/rope_7x3x32*'
racecheck_cases+=':*Schedule/attention_dropout_64_causal:*Schedule/attention_dropout_128:*Schedule/attention_filled_up*'
sanitizers() {
  local tool cases pids=()
  if [ -n "$simulate" ]; then
    for tool in memcheck racecheck initcheck synccheck; do not_available "sanitizer $tool" 'needs a GPU; the simulator refuses what they find'; done
    if [ -n "$asan" ]; then
      stage 'configure asan' 90 - cmake --preset asan ${dependencies:+-D ATTUNE_DEPENDENCIES="$dependencies"} &&
        stage 'build asan' 330 - cmake --build build/asan --parallel "$cores" --target kernels_cuda_test simulator_test &&
        stage 'AddressSanitizer' 330 - ctest --test-dir build/asan -R '^(kernels_cuda_test(_other_half)?|simulator_test)$' --output-on-failure --timeout 320
    fi
    return
  fi
  if ! command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck initcheck synccheck; do not_available "sanitizer $tool" 'compute-sanitizer is not installed'; done
    return
  fi
  for tool in memcheck racecheck initcheck synccheck; do  # nothing is timed meanwhile
    cases=$sanitizer_cases
    [ $tool != racecheck ] || cases=$racecheck_cases
    stage "sanitizer $tool" 100 - env "$tests_cache" compute-sanitizer --tool $tool --error-exitcode 86 --print-limit 20 \
      "$(program kernels_cuda_test)" "--gtest_filter=$cases" &
    pids+=($!)
  done
  wait "${pids[@]}"
}

kernel_benches() {
  local options=(--device=cuda)
  [ -z "$simulate" ] || options+=(--sizes=tiny --samples=1)
  stage kernels 120 "$output/kernels.json" "$(program bench_kernels)" "${options[@]}" --benchmark_format=json
}

# Every model of the recipe in bf16, then in tf32 and fp32, next to PyTorch. The simulator has time for a very small one, alone.
train_steps() {
  local precision programs seconds=$((240 * budget / 600)) configurations='' options=()
  if [ -n "$simulate" ]; then
    for precision in bf16 tf32 fp32; do
      stage "train step $precision" 50 "$output/train_step/$precision-attune.json" "$(program bench_train_step)" --device cuda --precision $precision \
        --layers 1 --width 64 --heads 2 --vocabulary 101 --batch_size 2 --length 16 --steps 1 --warmup 2
    done
    return
  fi
  for precision in bf16:compile-cudagraphs bf16:eager tf32:eager fp32:eager; do configurations+=,$precision:sdpa; done
  if [ -z "$torch_cuda" ]; then
    not_available 'train steps of PyTorch' 'python3 has no PyTorch with CUDA'
    configurations=''
  fi
  programs=$(dirname "$(program bench_train_step)")
  [ -z "$with_cudnn" ] || options=(--cudnn)
  [ "$seconds" -le $((budget - 18 - SECONDS)) ] || seconds=$((budget - 18 - SECONDS))  # it ends by itself and keeps its results
  stage 'train steps' 250 - python3 scripts/bench_rows.py --bin "$programs" --precisions bf16,tf32,fp32 --configurations "${configurations#,}" \
    --compile_limit $((150 * budget / 600)) --budget "$seconds" "${options[@]}" "$output/train_step"
}

# A real model on the real reviews, with the README's command: the final check of the numbers.
fine_tune() {
  local model=models/all-MiniLM-L6-v2 archive=imdb/aclImdb_labeled.tar.xz
  if [ -n "$simulate" ] || [ ! -d "${ATTUNE_DATA:-}/$model" ] || [ ! -f "$ATTUNE_DATA/$archive" ]; then
    not_available 'fine-tuning' "$([ -n "$simulate" ] && echo needs a GPU || echo "needs --data with $model and $archive")"
    return
  fi
  stage 'prepare reviews' 40 - "$(program prepare_imdb)" --archive "$ATTUNE_DATA/$archive" --output "$build/imdb" &&
    stage 'fine-tuning' 120 "$output/fine_tuning.txt" "$(program train_bert)" --model_dir "$ATTUNE_DATA/$model" --data "$build/imdb" \
      --context_length 128 --learning_rate 2e-5 --eval_freq 0 --num_epochs 1 --device cuda --precision bf16
}

torch_cuda='' with_cudnn='' built=''
write_about
echo "gpu_report: on $(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["device"])' "$output/about.json")"
if wanted build; then
  build_all || true
else
  not_available build "the programs of $build as they are"
  ! ldd "$(program bench_train_step)" 2>/dev/null | grep -q libcudnn || with_cudnn=1
fi
if [ -x "$(program bench_kernels)" ] || [ -x "$(program kernels_cuda_test)" ] || [ -x "$(program bench_train_step)" ]; then
  ! wanted tests || run_tests
  ! wanted sanitizers || sanitizers
  ! wanted train_steps || train_steps
  ! wanted kernels || kernel_benches
  ! wanted fine_tuning || fine_tune
fi
python3 scripts/gpu_report.py "$output"
