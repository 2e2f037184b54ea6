#!/usr/bin/env bash
# One line for each promise of docs/promises.md: whether its command passed, what it printed last that is a figure, and its seconds. The commands are tests and
# scripts that exist for themselves. Where a command tries a sample of what is promised, its line says so.
#
# usage: scripts/promises.sh [NUMBER...]      all of them by default; builds build/release first
set -euo pipefail
cd "$(dirname "$0")/.."

# Tests of the release build by name. A name that this build has no test for is a failure: ctest would run the others and pass.
tests() {
  local name missing=0
  for name in ${1//|/ }; do
    [ "$(ctest --preset release -N -R "^$name\$" | tail -n 1)" = "Total Tests: 1" ] || { echo "MISSING: $name"; missing=1; }
  done
  [ $missing -eq 0 ] || return 1
  ctest --preset release --no-tests=error --verbose -R "^($1)\$" "${@:2}"
}

# A pattern has no | of its own.
# number | promise | pattern of the figure in what the command prints | command
lines='
1 | a resumed run has the bits of an uninterrupted one, killed at 200 random points | [0-9]+ kills, [0-9]+ of them inside of a save | tests resume_after_200_kills_cli
2 | a save is atomic, whatever call of the system fails (a sample of the calls) | tried +[0-9]+, survived +[0-9]+ | tests faults_cli
3 | every flipped bit of a checkpoint is reported | [0-9]+ of [0-9]+ flipped bits are reported | tests train_test
4 | no reader crashes: fuzzing under sanitizers, 7 s for each input | [0-9]+ executions.* | scripts/fuzz.sh --seconds 7
5 | the gradient of every op, in float64 against differences within 1e-6 | [0-9]+ tests? from [0-9]+ test suites? ran | tests "kernels_gradient_test|kernels_gradient_test_large"
6 | attention in bfloat16: at most twice the error of a naive run; models: at most the error of the reference library | bfloat16, logits: [0-9.]+ times the reference.s distance | tests "kernels_cuda_test|kernels_cuda_test_attention|kernels_cuda_test_more_attention|golden_encoder_test_on_device" --parallel 2
7 | equal runs have equal bits, at no flag | [0-9]+ of [0-9]+ repeats of a step, with 1 to 5 threads, give equal bits | tests "train_test"
8 | no report of memcheck, racecheck, initcheck and synccheck | needs a GPU | gpu
9 | a number that is not finite stops the run at its step, and is named | [0-9]+ tests? from [0-9]+ test suites? ran | tests "not_finite_test|not_finite_test_slow_ways"
10 | an allocation that fails ends a program with one line (a sample) | memory +tried +[0-9]+, survived +[0-9]+ | tests "faults_cli|device_faults_test|runtime"
11 | every CUDA call and launch is checked | [0-9]+ calls are checked | tests "cuda_calls|guards_detect"
12 | padding changes no prediction | [0-9]+ tests? from [0-9]+ test suites? ran | tests "golden_encoder_test|example_store_test|batch_independence_test|kernels_composition_test"
13 | ids equal those of the reference library, on 50,000 reviews and on random strings | [0-9]+ tests? from [0-9]+ test suites? ran | tests "reviews_golden_test|tokenizer_golden_test|tokenizers_differential"
14 | a kernel that leaves an output unwritten or writes outside is found | [0-9]+ tests? from [0-9]+ test suites? ran | tests "kernels_test|kernels_cuda_test|kernels_cuda_test_attention|kernels_cuda_test_more_attention"
15 | every flipped bit of the tensors of a saved model is reported when it is loaded | [0-9]+ tests? from [0-9]+ test suites? ran | tests "io_test|registry_test|save_cli"
'

output=$(mktemp) failed=0
trap 'rm -f "$output"' EXIT
# The last line; of lines that count tests, their sum.
last_or_sum() { awk '/ tests? from .* ran$/ {n += $1} {last = $0} END {print n ? n " tests" : last}'; }
build() { cmake --preset release && cmake --build --preset release --parallel "$(nproc)"; }
[ -n "${NO_BUILD:-}" ] || build >"$output" 2>&1 || { tail -n 30 "$output" >&2; echo "promises: the build failed" >&2; exit 1; }
while IFS='|' read -r number promise pattern command <&3; do
  number=${number// /}
  [ -n "$number" ] || continue
  [ $# -eq 0 ] || [[ " $* " == *" $number "* ]] || continue
  promise=$(sed 's/^ *//; s/ *$//' <<<"$promise") pattern=$(sed 's/^ *//; s/ *$//' <<<"$pattern") command=$(sed 's/^ *//; s/ *$//' <<<"$command")
  begin=$SECONDS figure=''
  if [ "$command" = gpu ]; then state='NEEDS A GPU'
  elif ! eval "$command" >"$output" 2>&1; then state=FAIL failed=1
  elif grep -qE '\*\*\*Skipped|^([0-9]+: )?SKIPPED' "$output"; then state=SKIPPED failed=1  # ctest begins a line with 'N: '
  else state=PASS; fi
  missing=$(sed -n 's/^MISSING: //p' "$output" | xargs)
  [ ! -s "$output" ] || figure=$(grep -oE "$pattern" "$output" | last_or_sum || true)
  [ -z "$missing" ] || figure="this build has no test $missing"
  printf '%-11s %2d  %s%s, %d s\n' "$state" "$number" "$promise" "${figure:+: $figure}" $((SECONDS - begin))
  : >"$output"
done 3<<<"$lines"
exit $failed
