#!/usr/bin/env bash
# scripts/gpu_report.sh among made-up tools that fail, hang and print nonsense: every stage is reported, none stops the others.
#
# usage: gpu_report_stages_test.sh GPU_REPORT
set -euo pipefail
script=$1
source "$(dirname "$0")/../apps/checks.sh"
tools=$folder/tools build=$folder/build out=$folder/report
mkdir -p "$tools"
tool() { printf '#!/usr/bin/env bash\n%s\n' "$2" >"$1" && chmod +x "$1"; }
tool "$tools/nvidia-smi" 'case "$*" in *compute_cap*) echo 9.0 ;; *driver*) echo 123.4 ;; *) echo "Made-up card, 80 GiB" ;; esac'
tool "$tools/nvcc" 'echo "release 13.0"'
tool "$tools/cmake" "case \"\$*\" in *help*) echo 'kernels_cuda_test: phony' ;; *--preset*) echo \"\$*\" >$folder/configured ;; esac"
tool "$tools/ctest" 'case "$*" in *-N*) echo "  Test #1: kernels_cuda_test"; exit ;; esac
while [ "$1" != --output-junit ]; do shift; done
echo "$ATTUNE_MATMUL_CACHE" >'"$folder"'/tests_cache
echo "<testsuite><testcase name=\"kernels_cuda_test\" time=\"2.5\" status=\"fail\"><failure/><system-out>[  FAILED  ] Table/CudaOp.A/x
[  PASSED  ] 7 tests.
[  FAILED  ] 1 test, listed below:</system-out></testcase></testsuite>" >"$2"; exit 8'
tool "$tools/compute-sanitizer" 'echo "$2 $*" >>'"$folder"'/sanitized
case $2 in
  memcheck) echo "[==========] 9 tests from 2 test suites ran. (1 ms total)"; echo "========= ERROR SUMMARY: 0 errors" ;;
  racecheck) echo "========= Error: Race reported between Write access at some_kernel"; echo "========= RACECHECK SUMMARY: 1 hazard displayed (1 error, 0 warnings)"; exit 86 ;;
  initcheck) sleep 60 ;;
  *) exit 1 ;;
esac'
mkdir -p "$build/bin" "$build/tests"
tool "$build/tests/kernels_cuda_test" 'exit 0'
tool "$build/bin/bench_kernels" 'echo "{\"benchmarks\": [{\"name\": \"ceiling/copy/iterations:1/manual_time\", \"real_time\": 1000, \"time_unit\": \"us\", \"bytes\": 3e9}]}"'
tool "$build/bin/bench_train_step" 'case "$*" in
  *--save*) while [ "$1" != --save ]; do shift; done
    mkdir -p "$2"; echo "{\"hidden_dropout_prob\": 0.1}" >"$2/config.json"; echo "{\"trainable_layers\": \"all\"}" >"$2/batch.json" ;;
  *start/gpt2*bf16*) echo "cache ${ATTUNE_MATMUL_CACHE:-own}" >&2
    echo "{\"model\": \"m\", \"attention\": \"own\", \"precision\": \"bf16\", \"median_ms\": 2.5, \"min_ms\": 2.4, \"max_ms\": 2.9, \"peak_bytes\": 1073741824}" ;;
  *bf16*) ;;
  *) echo "out of luck" >&2; exit 3 ;;
esac'

code=0
PATH="$tools:$PATH" "$script" --build "$build" --budget 60 --commit abc123 "$out" >"$folder/out" 2>&1 || code=$?
expect "exit code" 1 "$code"
expect "architecture" 1 "$(grep -c 'CMAKE_CUDA_ARCHITECTURES=90a-real' "$folder/configured")"
report=$(cat "$out/report.md")
has() { grep -qF -- "$2" <<<"$report" || fail "$1: no \"$2\" in the report"; }
has "card" "| device | Made-up card, 80 GiB |"
has "commit" "| commit | abc123 |"
has "tests" "1 CTest tests: 0 passed, 1 failed, 0 skipped. Cases within them: 7 passed, 1 failed, 0 skipped."
has "failing case" "- kernels_cuda_test: Table/CudaOp.A/x"
has "memcheck" "| memcheck | ok | 9 | ERROR SUMMARY: 0 errors |"
has "racecheck" "| racecheck | failed |  | RACECHECK SUMMARY: 1 hazard displayed (1 error, 0 warnings) |"
has "the race itself" "========= Error: Race reported between Write access at some_kernel"
has "initcheck hangs" "| initcheck | timed out |  | no summary |"
has "synccheck" "| synccheck | failed |  | no summary |"
has "bandwidth" "device copy of 1 GiB 3,000 GB/s"
has "training step" "| m | bf16 | attune |  | 2.50 | 2.40 | 2.90 | 20 % |"
has "table of the rows" "| m | bf16 | 2.50 [2.40-2.90] |"
has "a training step that fails" "- bert-fp32-attune: ended with 3: out of luck"
has "a training step without figures" "- bert-bf16-attune: ended with 0"
expect "algorithms of the tests" "$out/matmul_tests.txt" "$(cat "$folder/tests_cache")"
expect "algorithms of the timed runs" "cache own" "$(cat "$out/train_step/gpt2-bf16-attune.log")"
grep -q 'memcheck .*several_blocks' "$folder/sanitized" || fail "memcheck: other cases"
! grep -q 'racecheck .*several_blocks' "$folder/sanitized" || fail "racecheck: every case"

code=0
PATH="$tools:$PATH" "$script" --build "$build" --budget 9 "$out" >"$folder/out" 2>&1 || code=$?
expect "exit code without time" 1 "$code"
report=$(cat "$out/report.md")
has "no time" "**no time left**"

# A folder of programs on a machine without nvcc: they are run as they are, and only the stages that are asked for.
prebuilt=$folder/prebuilt
mkdir "$prebuilt"
tool "$prebuilt/kernels_cuda_test" 'echo "[  PASSED  ] 3 tests."'
tool "$prebuilt/ops_test" 'echo "[  FAILED  ] Ops.Sum"; echo "[  FAILED  ] 1 test, listed below:"; exit 1'
tool "$prebuilt/golden_gpt2_test" 'echo "[  PASSED  ] 2 tests."; [ "$*" = "--gtest_filter=*cuda*" ]'
rm "$tools/nvcc" "$tools/cmake" "$tools/ctest"
code=0
CUDA_HOME=$folder/none PATH="$tools:$(dirname "$(command -v python3)"):/usr/bin:/bin" "$script" --build "$prebuilt" --stages tests,build --budget 60 "$out" >"$folder/out" 2>&1 || code=$?
expect "exit code of a folder of programs" 1 "$code"
report=$(cat "$out/report.md")
has "its tests" "3 CTest tests: 2 passed, 1 failed, 0 skipped. Cases within them: 5 passed, 1 failed, 0 skipped."
has "its failing case" "- ops_test: Ops.Sum"
! grep -q '^| \(sanitizer \|kernels \|train step\)' <<<"$report" || fail "a stage ran that was not asked for"
has "no build" "| build |  | not available | 0 | the programs of $prebuilt as they are |"

for mistake in "" "--budget soon $out" "--data $folder/none $out" "--wrong $out" "--stages tests,none $out" "$out more"; do
  code=0
  # shellcheck disable=SC2086  # words
  "$script" $mistake >/dev/null 2>"$folder/err" || code=$?
  expect "exit code of '$mistake'" 2 "$code"
  expect "one line about '$mistake'" 1 "$(wc -l <"$folder/err")"
done
finish
