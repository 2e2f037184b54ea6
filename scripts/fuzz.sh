#!/usr/bin/env bash
# Builds the fuzz targets (tests/fuzz) with Clang and both sanitizers, runs each from its corpus in the tree, and prints a
# line for each. A failure leaves its input in build/fuzz/crashes; build/fuzz/fuzz/fuzz_TARGET FILE runs it again.
#
# --self_check shows instead that each target can fail: a fault is planted where an input has been read, and the run must
# end with the report of this fault.
#
# usage: scripts/fuzz.sh [--runs N] [--seconds S] [--jobs J] [--self_check] [TARGET...]
#   N executions of each target (default 100000; 0: no limit), S seconds at most (default: no limit), J targets at a time
#   (default: as many as there are processors)
set -euo pipefail
cd "$(dirname "$0")/.."

runs=100000 seconds=0 jobs=$(nproc) self_check=
targets=()
while [ $# -gt 0 ]; do
  case $1 in
    --runs | --seconds | --jobs) [ $# -ge 2 ] || { echo "fuzz: $1 needs a number" >&2; exit 2; } ;;&
    --runs) runs=$2; shift 2 ;;
    --seconds) seconds=$2; shift 2 ;;
    --jobs) jobs=$2; shift 2 ;;
    --self_check) self_check=1; shift ;;
    -*) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2 ;;
    *) targets+=("$1"); shift ;;
  esac
done

scripts/setup.sh clang-19 libclang-rt-19-dev
cmake --preset fuzz >/dev/null
names=()
for target in ${targets[@]+"${targets[@]}"}; do names+=("fuzz_$target"); done
cmake --build --preset fuzz --parallel "$jobs" --target "${names[@]:-fuzz}"
if [ ${#targets[@]} -eq 0 ]; then
  targets=(train_tokenizer flags run_state weights)  # those that take longest: no processor is idle at the end
  for program in build/fuzz/fuzz/fuzz_*; do
    target=${program##*/fuzz_}
    [[ " ${targets[*]} " == *" $target "* ]] || targets+=("$target")
  done
fi

# In memory if nothing else is asked for: some targets make links for each input.
memory=/tmp
[ ! -w /dev/shm ] || memory=/dev/shm
scratch=$(mktemp -d -p "${TMPDIR:-$memory}")
trap 'rm -rf "$scratch"' EXIT
mkdir -p build/fuzz/crashes
export TMPDIR=$scratch scratch runs seconds first=${targets[0]}
# Reports with short stacks, which are much faster, but not of one frame: leaks are then not reported. A small quarantine of freed memory stays in the cache.
# A too large request is an error of the program, as without sanitizers.
export ASAN_OPTIONS=allocator_may_return_null=1:malloc_context_size=2:quarantine_size_mb=1:thread_local_quarantine_size_kb=64
# What one input may take (the harness limits processor time). Standard output is closed, since programs print to it. Without the entropic schedule, which costs
# a third of the time of a run that finds much, and without looking for other runs' inputs.
export limits="-rss_limit_mb=2048 -malloc_limit_mb=512 -timeout=120 -report_slow_units=120 -close_fd_mask=1 -entropic=0 -reload=0 -print_funcs=0"

# number NAME LOG: one of libFuzzer's statistics.
number() { awk -v name="stat::$1:" '$1 == name {print $2}' "$2"; }
export -f number

# seeds TARGET: the option that names its corpus. A list and not the folder: libFuzzer writes each input that it keeps into the first folder, thousands of
# files that nobody reads.
seeds() {
  printf '%s,' "tests/fuzz/corpus/$1"/* | sed 's/,$//' >"$scratch/$1.seeds"
  echo "-seed_inputs=@$scratch/$1.seeds"
}
export -f seeds

fuzz() {
  local target=$1 log=$scratch/$1.log begin=$SECONDS verdict=passed failed=0
  # shellcheck disable=SC2086
  "build/fuzz/fuzz/fuzz_$target" -runs="$([ "$runs" -gt 0 ] && echo "$runs" || echo -1)" -max_total_time="$seconds" $limits -print_final_stats=1 \
    -artifact_prefix="build/fuzz/crashes/$target-" "$(seeds "$target")" >"$log" 2>&1 || failed=1
  if [ "$failed" -eq 1 ]; then
    verdict=$(grep -m 1 -oE 'build/fuzz/crashes/[a-z_]+-(crash|leak|oom|timeout)-[0-9a-f]+' "$log" || true)
    verdict="FAILED: ${verdict:-$(tail -n 1 "$log")}"
    cp "$log" "build/fuzz/crashes/$target.log"
  fi
  printf '%-17s %9s executions, %5s new in the corpus, %4s MB, %3s s: %s\n' "$target" "$(number number_of_executed_units "$log")" \
    "$(number new_units_added "$log")" "$(number peak_rss_mb "$log")" $((SECONDS - begin)) "$verdict"
  return "$failed"
}

# report_of FAULT: a text that only the report of this fault has (tests/fuzz/harness.cpp plants the faults). Without it a run that ends for another reason
# would count.
report_of() {
  case $1 in
    overflow) echo 'AddressSanitizer: heap-buffer-overflow' ;;
    promise) echo 'this does not hold: a promise broken on purpose' ;;
    undefined) echo 'runtime error: signed integer overflow' ;;
    exception) echo 'a fault on purpose' ;;
    leak) echo 'LeakSanitizer: detected memory leaks' ;;
    memory) echo 'libFuzzer: out-of-memory (malloc(3221225472))' ;;
    time) echo 'this does not hold: an input takes little processor time' ;;
  esac
}
export -f report_of

self_check() {
  local target=$1 log=$scratch/$1.log missed='' fault report faults='overflow promise'
  [ "$target" != "$first" ] || faults+=' undefined exception leak memory time'  # these depend on the harness alone
  # Without a fault the corpus must pass: else a run that cannot start would count as one that finds everything.
  # shellcheck disable=SC2086
  if ! "build/fuzz/fuzz/fuzz_$target" -runs=0 $limits -artifact_prefix="build/fuzz/crashes/$target-" "$(seeds "$target")" >"$log" 2>&1; then
    printf '%-17s FAILS WITHOUT A FAULT: %s\n' "$target" "$(tail -n 1 "$log")"
    cp "$log" "build/fuzz/crashes/$target.log"
    return 1
  fi
  for fault in $faults; do
    report=$(report_of "$fault")
    # shellcheck disable=SC2086
    if ATTUNE_FUZZ_FAULT=$fault "build/fuzz/fuzz/fuzz_$target" -runs=0 $limits -artifact_prefix="$scratch/$target-" \
      "$(seeds "$target")" >"$log" 2>&1 || [ -z "$report" ] || ! grep -qF "$report" "$log"; then
      missed+=" $fault"
      cp "$log" "build/fuzz/crashes/$target-$fault.log"
    fi
  done
  printf '%-17s %s\n' "$target" "${missed:+DOES NOT FIND:}${missed:-finds each planted fault: $faults}"
  [ -z "$missed" ]
}
export -f fuzz self_check

each=fuzz left='inputs and logs'
[ -z "$self_check" ] || each=self_check left=logs
printf '%s\n' "${targets[@]}" | xargs -P "$jobs" -I {} bash -c "$each {}" ||
  { echo "fuzz: FAILED; $left are in build/fuzz/crashes"; exit 1; }
[ -n "$self_check" ] || echo "fuzz: $(cat "$scratch"/*.log | awk '/^stat::number_of_executed_units:/ {n += $2} END {printf "%d", n}') executions, no failure"
