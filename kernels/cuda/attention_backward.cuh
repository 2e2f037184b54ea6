// What the two forms of attention backward have in common: attention_backward.cu and attention_backward_short.cu.
#pragma once

#include "kernels/cuda/attention.cuh"
#include "kernels/cuda/context.h"

namespace attune::device {

template <class T>
struct Backward {
  T* dq;
  T* dk;
  T* dv;
  const T* dout;
  const T* out;
  const float* lse;
  const float* delta;  // [H, N] rowsum(dO * O)
  const T* q;
  const T* k;
  const T* v;
  AttentionPlan plan;
  std::int64_t dense;  // elements between rows of out and dout
};

/// exp(scale * score - lse), with scale and lse times log2 e; 0 for a score of -inf. At most 1: the difference of two
/// large numbers may come out positive.
__device__ __forceinline__ float probability(float score, float scale, float lse) {
  return fast_exp2(fminf(score * scale - lse, 0.0f));
}

/// lse times log2 e as saved in forward; 0 for a query without keys, whose scores are all -inf.
__device__ __forceinline__ float load_lse(const float* lse) {
  const float x = load_global(lse);
  return x == -INFINITY ? 0.0f : x * kLog2E;
}

}  // namespace attune::device

namespace attune::cuda {

/// Launches the kernel for short sequences, which needs no delta, if it can take these: sequences of at most 256 rows,
/// heads of at most 64 elements in whole vectors, and enough shared memory. Returns whether it did. All pointers are
/// aligned to 16 bytes.
bool attention_backward_in_one(const kernels::CudaContext& context, const device::Backward<BFloat16>& args,
                               const kernels::AttentionLayout& layout);

}  // namespace attune::cuda
