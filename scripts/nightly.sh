#!/usr/bin/env bash
# What is too slow for scripts/test.sh. All stages take hours of 2 cores; a stage that fails does not stop the others.
#
#   slow               the tests with the label slow, and without the sanitizers those that scripts/test.sh runs under them
#   fuzz               each fuzz target finds the faults that are planted in its harness; then 100,000 executions of each, as in scripts/test.sh
#   demo               a build of the demo's programs, as scripts/demo.sh builds them
#   cuda               if the CUDA toolkit is installed: a build of everything with nvcc for the GPUs of the cuda preset, warnings as errors,
#                      and a comparison of the compiled kernels with their limits
#   tidy               clang-tidy on every file that the release build compiles
#   sanitizers[:I/N]   the whole suite under AddressSanitizer and UBSan; of N pieces the I-th one (all: the eight pieces in turn)
#
# usage: scripts/nightly.sh [STAGE...]      all of them by default
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=$(nproc)
KEEP_GOING=1
. scripts/stages.sh

# piece I N
piece() {
  run "sanitizers: piece $1 of $2" ctest --preset asan -I "$1,,$2" --parallel 2
}

[ $# -gt 0 ] || set -- slow fuzz demo cuda tidy sanitizers
run "dependencies" scripts/setup.sh "${test_packages[@]}" clang-tidy-19
for name in "$@"; do
  case $name in
    slow)
      run "configure" cmake --preset release -D ATTUNE_UNITY=OFF
      run "build" cmake --build --preset release --parallel "$jobs"
      run "slow tests" ctest --preset release --parallel 2 -L slow
      run "tests of kernels without sanitizers" ctest --preset release --parallel 2 -R "$sanitized"
      ;;
    fuzz)
      run "fuzzing: planted faults" scripts/fuzz.sh --self_check
      run "fuzzing" scripts/fuzz.sh
      ;;
    demo)
      run "demo: configure" cmake --preset release -B build/demo-release -DATTUNE_CUDA=none -DATTUNE_UNITY=ON -DATTUNE_BUILD_TESTS=OFF -DATTUNE_BUILD_BENCH=OFF
      run "demo: build, not run" cmake --build build/demo-release --parallel "$jobs" --target prepare_imdb tokenize train_gpt predict
      ;;
    cuda)
      with_nvcc build/cuda all
      compiled_code build/cuda 80 90a
      ;;
    tidy) run "clang-tidy" scripts/tidy.sh ;;
    sanitizers | sanitizers:*)
      run "sanitizers: configure" cmake --preset asan
      run "sanitizers: build" cmake --build --preset asan --parallel "$jobs"
      if [[ $name =~ ^sanitizers:([0-9]+)/([0-9]+)$ ]]; then
        piece "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
      else
        for i in 1 2 3 4 5 6 7 8; do piece $i 8; done
      fi
      ;;
    *) echo "unknown stage: $name"; exit 2 ;;
  esac
done
exit $failed
