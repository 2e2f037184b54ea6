# Read by scripts/test.sh and scripts/nightly.sh: stages with their times, and what both do.

stage='' summary='' failed=0

# run STAGE COMMAND...; ends the script if the command fails, unless KEEP_GOING is set.
run() {
  local begin=$SECONDS code=0
  stage=$1
  echo "==== $stage"
  if [ -n "${KEEP_GOING:-}" ]; then "${@:2}" || code=$?; else "${@:2}"; fi
  if [ $code -eq 0 ]; then summary+="==== $stage: passed, $((SECONDS - begin)) s"$'\n'
  else summary+="==== $stage: FAILED, $((SECONDS - begin)) s"$'\n' failed=1; fi
  stage=''
}
trap 'printf "\n%s" "$summary"; [ -z "$stage" ] || echo "==== $stage: FAILED"' EXIT

# What the tests need besides what a build needs: the layout, and runs of several processes.
test_packages=(clang-format-14 libopenmpi-dev openmpi-bin)

# The tests that scripts/test.sh runs under the sanitizers, and not a second time without them; scripts/nightly.sh does.
sanitized='^(kernels_cuda|batch_ops|simulator)_test(_other_half)?$'

# with_nvcc FOLDER TARGET OPTION...: configures and builds with nvcc, warnings as errors, where the CUDA toolkit is; nothing is run. For the target `all` with
# cuDNN too, whose frontend takes long to compile.
with_nvcc() {
  local folder=$1 target=$2 cudnn=()
  [ -d /usr/local/cuda/bin ] && PATH=$PATH:/usr/local/cuda/bin
  if ! command -v nvcc >/dev/null; then
    summary+="==== nvcc: not installed, skipped"$'\n'
    return
  fi
  if [ "$target" = all ]; then
    if ! echo '#include <cudnn_graph.h>' | nvcc -x cu -E - >/dev/null 2>&1; then
      summary+="==== cuDNN: not installed, compiled without"$'\n'
    elif scripts/fetch_cudnn_frontend.sh build/cudnn_frontend; then
      cudnn=(-D ATTUNE_CUDNN=ON -D "CMAKE_PREFIX_PATH=$PWD/build/cudnn_frontend")
    else
      summary+="==== cuDNN: its frontend's headers could not be fetched, compiled without"$'\n'
    fi
  fi
  run "nvcc: configure" cmake --preset cuda -B "$folder" "${cudnn[@]}" "${@:3}"
  grep -q '^ATTUNE_NCCL:BOOL=ON$' "$folder/CMakeCache.txt" || summary+="==== NCCL: it or MPI is not installed, compiled without"$'\n'
  run "nvcc: build, not run" cmake --build "$folder" --parallel "$jobs" --target "$target"
}

# compiled_code FOLDER ARCHITECTURE...: compares what with_nvcc has built with the limits of scripts/compiled_code_limits.txt.
compiled_code() {
  local folder=$1 arch
  command -v nvcc >/dev/null || return 0
  if ! nvcc --version | grep -q 'release 13\.0,'; then
    summary+="==== compiled code: the limits are those of nvcc 13.0, not compared"$'\n'
    return
  fi
  if ! scripts/fetch_nvdisasm.sh build/nvdisasm; then
    summary+="==== nvdisasm: not installed and could not be fetched, compiled code not checked"$'\n'
    return
  fi
  for arch in "${@:2}"; do run "compiled code for sm_$arch" scripts/compiled_code.py --check --arch "$arch" --objects "$folder"; done
}
