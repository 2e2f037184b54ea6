#!/usr/bin/env bash
# Mistakes that are planted in kernels/cuda/nvidia, each of which nvidia_test finds by name. The files are changed in copies, compiled and linked with the
# commands of the build.
#
# usage: planted_test.sh PROJECT BUILD
set -euo pipefail
project=$1 build=$2
[ -f "$build/build.ninja" ] || { echo "the build is none of Ninja"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
commands=$(ninja -C "$build" -t commands nvidia_test)
link=$(tail -1 <<<"$commands")
tried=0

# plant FILE SED WORDS: with the file changed, the tests must fail and say the words.
plant() {
  local source=$project/kernels/cuda/nvidia/$1 object
  object=tests/fake_cuda/CMakeFiles/attune_fake_cuda.dir/__/__/kernels/cuda/nvidia/$1.o
  sed -E "$2" "$source" >"$folder/$1"
  ! cmp -s "$source" "$folder/$1" || { echo "$1: '$2' changes nothing"; exit 1; }
  local compile
  compile=$(grep -F -- "-o $object " <<<"$commands")
  compile=${compile/-o $object /-o $folder/$1.o }
  (cd "$build" && eval "${compile/-c $source/-Wno-error -w -c $folder/$1}")
  local linked=${link/$object/$folder/$1.o}
  (cd "$build" && eval "${linked/-o tests\/nvidia_test/-o $folder/nvidia_test}")
  if "$folder/nvidia_test" >"$folder/out" 2>&1; then echo "$1: nothing finds '$2'"; exit 1; fi
  grep -qF -- "$3" "$folder/out" || { echo "$1: '$2' is found, without the words '$3'"; grep -A8 Failure "$folder/out" | cut -c1-300 | head -20; exit 1; }
  tried=$((tried + 1))
}

plant copies.cpp 's/staging\(\)\.copy\((.*), stream\.state\(\)\.stream\)/CUDA_CHECK(cudaMemcpyAsync(\1, cudaMemcpyHostToDevice, stream.state().stream))/' 'changed source: 65540 bytes of pageable memory'
plant copies.cpp 's/CUDA_CHECK\(cudaEventSynchronize\(place\.left\)\)//' 'bytes of pinned memory changed before the stream was waited for'
plant copies.cpp 's/CUDA_CHECK\(cudaMemsetAsync(.*)\);/static_cast<void>(cudaMemsetAsync\1);/' 'unchecked error: cudaMemsetAsync'
plant matmul.cpp 's/static_cast<std::uint64_t>\(columns\), rows\)/static_cast<std::uint64_t>(columns), rows - 1)/' 'CUBLAS_STATUS_INVALID_VALUE'
plant matmul.cpp 's/static_cast<std::uint64_t>\(columns\), rows\)/static_cast<std::uint64_t>(columns), 1000 * rows)/' "freed operand: a product's"
plant matmul.cpp 's/cudaEventSynchronize\(capture->before\)/cudaDeviceSynchronize()/' 'operation not permitted when stream is capturing'
plant matmul.cpp 's/^ *wait_for_earlier_work\(stream\);.*//' 'disturbed_times'
plant matmul.cpp 's/reductions_of\(type\)\);/std::uint32_t{7});/' 'PartsOfASumAreNeverJoinedInTheOutputsType'
plant arena.cpp 's/arena\(\)\.pools\.graph_(begins|ends)\(\);//' 'freed operand: a copy'
plant stream.cpp 's/report\(cudaGraphDestroy\(graph\), .*\);/static_cast<void>(graph);/' ' 1 graphs'
plant stream.cpp 's/^(.*) stream->capture\.reset\(\);/\1 ;/' 'aside.capturing()'
plant launch.cpp 's/^  allow_shared\(.*//' 'cuda: kernel add: invalid argument'
echo "$tried planted mistakes are found"
