#!/usr/bin/env bash
# Installs missing packages, builds, and runs every test except the slow ones, which scripts/nightly.sh runs. Set ATTUNE_DATA to the folder of the real
# data to run the tests that need it; without it they are skipped.
#
# Without arguments further stages follow: CUDA kernels on the simulated device under AddressSanitizer and UBSan, each op under three thread schedules;
# 100,000 executions of each fuzz target; and, if the CUDA toolkit is installed, a build of the kernels with nvcc for one GPU, with warnings as errors, and a
# comparison of their machine code with limits. CONTRIBUTING.md says what runs when.
#
# ATTUNE_UNITY=ON in the environment: compiles in groups of files, as the option of that name does. For a build that is made once.
#
# usage: scripts/test.sh [ctest arguments: of the first tests, and no further stage; -L slow: the slow ones]
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=$(nproc)
. scripts/stages.sh

run "dependencies" scripts/setup.sh "${test_packages[@]}"
# What fragment_layouts_test compares with.
if [ -d /usr/local/cuda/include ] && ! scripts/fetch_cute.sh build/cute; then
  summary+="==== CuTe: its headers could not be fetched, layouts of fragments not compared"$'\n'
fi
# What compiled_code_detects and the last stage run.
if [ -d /usr/local/cuda/bin ] && ! scripts/fetch_nvdisasm.sh build/nvdisasm; then
  summary+="==== nvdisasm: not installed and could not be fetched, faults planted in compiled code not looked for"$'\n'
fi
run "configure" cmake --preset release -D ATTUNE_UNITY="${ATTUNE_UNITY:-OFF}"
run "build" cmake --build --preset release --parallel "$jobs"
if [ $# -gt 0 ]; then
  run "tests" ctest --preset release --parallel 2 "$@"
  exit 0
fi
run "tests" ctest --preset release --parallel $((jobs + 1)) -LE slow -E "$sanitized"  # some wait for other processes

# One build for two stages: the fuzz targets and these tests have most libraries in common.
preset=fuzz fuzz=fuzz
if ! scripts/setup.sh clang-19 libclang-rt-19-dev; then
  preset=asan fuzz=
  summary+="==== fuzzing: not done, clang-19 or libclang-rt-19-dev is not installed and could not be; the sanitizers are those of GCC"$'\n'
fi
run "sanitizers: configure" cmake --preset $preset
run "sanitizers: build" cmake --build --preset $preset --parallel "$jobs" --target kernels_cuda_test batch_ops_test simulator_test $fuzz
run "sanitizers: kernels on the simulated device" ctest --preset $preset -R "$sanitized" --parallel 2
[ -z "$fuzz" ] || run "fuzzing" scripts/fuzz.sh

# Kernels as users have them: -O is for the code of the host, which is not run.
with_nvcc build/cuda-kernels attune_cuda_code -D ATTUNE_UNITY=ON -D ATTUNE_BUILD_TESTS=OFF -D ATTUNE_BUILD_BENCH=OFF -D CMAKE_CUDA_ARCHITECTURES=90a-real \
  -D CMAKE_CXX_FLAGS_RELEASE='-O0 -DNDEBUG' -D CMAKE_CUDA_FLAGS_RELEASE='-O0 -DNDEBUG'
compiled_code build/cuda-kernels 90a
