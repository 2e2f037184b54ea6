#!/usr/bin/env bash
# scripts/compiled_code.py --check passes on a clean kernel, and reports a kernel with each fault that it looks for, compiled here and read from an object.
# Skipped (77) without nvcc, nvdisasm or cuobjdump.
#
# usage: compiled_code_test.sh SCRIPT
set -euo pipefail
script=$1
PATH=$PATH:/usr/local/cuda/bin
command -v nvcc >/dev/null || { echo "SKIPPED: nvcc is not installed"; exit 77; }
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

cat >"$tree/faults.cu" <<'SOURCE'
__global__ void clean(float4* to, const float4* from) { to[threadIdx.x] = from[threadIdx.x]; }

__global__ void spills(float* to, const int* at) {
  float x[64];
  for (int i = 0; i < 64; ++i) x[at[i]] = to[i];
  to[threadIdx.x] = x[at[threadIdx.x]];
}

__device__ __noinline__ float f(float x) { return x * x + 1; }
__global__ void calls(float* to) { to[threadIdx.x] = f(to[threadIdx.x]); }

__global__ void generic(float* to) {  // one pointer into two memories
  __shared__ float x[32];
  x[threadIdx.x] = 0;
  __syncthreads();
  float* p = to[0] > 0 ? to : x;
  p[threadIdx.x] = 1;
  __syncthreads();
  to[32] = x[31 - threadIdx.x];
}

__global__ void branches(float* to, const unsigned* from, int count) {
  float d[4] = {0, 0, 0, 0};
  for (int k = 0; k < count; ++k) {
    const unsigned a = from[k];
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %4, %4, %4}, {%4, %4}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a));
#pragma unroll
    for (int j = 0; j < 4; ++j)
      if (from[count + j] != k) atomicAdd(to + j, d[j]);
  }
  for (int j = 0; j < 4; ++j) to[j] = d[j];
}

template <class T, int W>
__global__ void scale_kernel(T* x) { for (int i = 0; i < W; ++i) x[threadIdx.x * W + i] *= 2; }
template __global__ void scale_kernel<float, 4>(float*);
SOURCE

check() { "$script" --check --arch 80 "$@" >"$tree/out"; }
reports() {  # ARGUMENT...: of all kernels but `clean`
  local code=0
  check "$@" || code=$?
  [ $code -ne 77 ] || { cat "$tree/out"; exit 77; }
  [ $code -eq 1 ] || { echo "status $code, not 1"; cat "$tree/out"; exit 1; }
  for fault in 'spills: local [0-9]+, at most 0' 'calls: calls 1 \(.*\), at most 0' 'generic: generic 1, at most 0' \
      'branches: branches [0-9]+ \(loop at 0x[0-9a-f]+\), at most 8' 'scale_kernel<float, 4>: wide 0, at least [0-9]+'; do
    grep -qE "^sm_80: $fault$" "$tree/out" || { echo "not reported: $fault"; cat "$tree/out"; exit 1; }
  done
  [ "$(grep '^sm_80: ' "$tree/out" | grep -vc 'no kernel has this name$')" -eq 5 ] || { echo "more is reported than was planted"; cat "$tree/out"; exit 1; }
}
reports "$tree/faults.cu"
nvcc -std=c++20 -O3 -gencode arch=compute_80,code=sm_80 -c -o "$tree/faults.cu.o" "$tree/faults.cu"
reports --objects "$tree"
if check --arch 90a --objects "$tree" 2>/dev/null; then echo "passes on an object without code for the architecture"; exit 1; fi
sed -i '/^__global__ void clean/!d' "$tree/faults.cu"
check "$tree/faults.cu" || { echo "fails on a clean kernel"; cat "$tree/out"; exit 1; }
echo "compiled_code.py reports every fault that was planted"
