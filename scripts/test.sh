#!/usr/bin/env bash
# Installs missing packages, builds, and runs every test except the slow ones. Set ATTUNE_DATA to the folder of the real data to run the tests that need it;
# without it they are skipped.
#
# Without arguments further stages follow: a build of the demo's programs; the CUDA kernels on the simulated device under AddressSanitizer and
# UBSan, each op under three thread schedules; and, if the CUDA toolkit is installed, a build of everything with nvcc for the GPUs of the cuda
# preset, with warnings as errors.
#
# usage: scripts/test.sh [ctest arguments: of the first tests, and no further stage; -L slow: the slow ones]
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=$(nproc)

stage='' summary=''
# run STAGE COMMAND...
run() {
  local begin=$SECONDS
  stage=$1
  echo "==== $stage"
  "${@:2}"
  summary+="==== $stage: passed, $((SECONDS - begin)) s"$'\n'
  stage=''
}
trap 'printf "\n%s" "$summary"; [ -z "$stage" ] || echo "==== $stage: FAILED"' EXIT

run "dependencies" scripts/setup.sh clang-format-14
run "configure" cmake --preset release
run "build" cmake --build --preset release --parallel "$jobs"
[ $# -gt 0 ] || set -- -LE slow
run "tests" ctest --preset release --parallel 2 "$@"
[ "$*" = "-LE slow" ] || exit 0

# As scripts/demo.sh builds them.
run "demo: configure" cmake --preset release -B build/demo-release -DATTUNE_CUDA=none -DATTUNE_UNITY=ON -DATTUNE_BUILD_TESTS=OFF -DATTUNE_BUILD_BENCH=OFF
run "demo: build, not run" cmake --build build/demo-release --parallel "$jobs" --target prepare_imdb tokenize train_gpt predict

run "sanitizers: configure" cmake --preset asan
run "sanitizers: build" cmake --build --preset asan --parallel "$jobs" --target kernels_cuda_test batch_ops_test simulator_test
run "sanitizers: kernels on the simulated device" ctest --preset asan -L simulated -R '^(kernels_cuda|batch_ops|simulator)_test$' --parallel 2

[ -d /usr/local/cuda/bin ] && PATH=$PATH:/usr/local/cuda/bin
if command -v nvcc >/dev/null; then
  cudnn=()
  if ! echo '#include <cudnn_graph.h>' | nvcc -x cu -E - >/dev/null 2>&1; then
    summary+="==== cuDNN: not installed, compiled without"$'\n'
  elif scripts/fetch_cudnn_frontend.sh build/cudnn_frontend; then
    cudnn=(-D ATTUNE_CUDNN=ON -D "CMAKE_PREFIX_PATH=$PWD/build/cudnn_frontend")
  else
    summary+="==== cuDNN: its frontend's headers could not be fetched, compiled without"$'\n'
  fi
  run "nvcc: configure" cmake --preset cuda "${cudnn[@]}"
  run "nvcc: build, not run" cmake --build --preset cuda --parallel "$jobs"
else
  summary+="==== nvcc: not installed, skipped"$'\n'
fi
