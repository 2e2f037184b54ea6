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

/// The kernel for short sequences: a block of W warps for up to 32 W rows.
template <int D, int W>
struct ShortBackwardTraits {
  static constexpr int kThreads = W * kWarp;
  static constexpr int kKeys = 32 * W;              // as many as threads
  static constexpr int kQueries = 64, kChunk = 32;  // of a tile, and of one step in it
  static constexpr int kStages = kKeys > kQueries ? 2 : 1;
  static constexpr int kStride = D + kRowPad<BFloat16>, kScoreStride = kQueries + kRowPad<BFloat16>;
  static constexpr int kTile = kQueries * kStride;  // elements of a tile of queries
  static constexpr std::size_t kBytes =
      std::size_t{2 * kKeys * kStride + (2 * kStages + 1) * kTile + kKeys * kScoreStride} * sizeof(BFloat16);
};

template <int kRows>
struct RowStatistics {
  float lse[kRows], delta[kRows];
  std::uint32_t keys[kRows];  // of the dropout
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

namespace attune::kernels {

/// Launches the kernel for short sequences, which needs no delta, if it can take these: sequences of at most 256 rows,
/// heads of at most 64 elements in whole vectors, and enough shared memory. Returns whether it did. All pointers are
/// aligned to 16 bytes.
bool attention_backward_in_one(const CudaContext& context, const device::Backward<BFloat16>& args,
                               const AttentionLayout& layout);

}  // namespace attune::kernels
