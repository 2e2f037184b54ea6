// Sums, maxima and prefix sums over a warp or a block, in an order fixed by lane and warp: the same bits on every run.
#pragma once

#include "kernels/cuda/platform.cuh"

namespace attune::device {

inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xFFFFFFFFu;

/// Every lane gets the sum over the warp.
template <class T>
__device__ __forceinline__ T warp_sum(T x) {
  for (int step = kWarp / 2; step > 0; step /= 2) x += __shfl_xor_sync(kAllLanes, x, step);
  return x;
}

__device__ __forceinline__ float warp_max(float x) {
  for (int step = kWarp / 2; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, step));
  return x;
}

template <class T>
struct BlockPartials {
  T warps[kWarp];
};

/// Every thread gets the sum over the block (whole warps, one-dimensional). All threads must call it.
template <class T>
__device__ __forceinline__ T block_sum(T x) {
  BlockPartials<T>& partials = shared_variable<BlockPartials<T>>();
  const unsigned warps = blockDim.x / kWarp;
  x = warp_sum(x);
  if (threadIdx.x % kWarp == 0) store_shared(&partials.warps[threadIdx.x / kWarp], x);
  __syncthreads();
  T total = load_shared(&partials.warps[0]);
  for (unsigned w = 1; w < warps; ++w) total += load_shared(&partials.warps[w]);
  __syncthreads();  // the next call may write
  return total;
}

/// The sum over the threads before this one; `total` becomes that over all (whole warps, one-dimensional). All threads
/// must call it.
__device__ __forceinline__ int block_exclusive_sum(int x, int& total) {
  BlockPartials<int>& partials = shared_variable<BlockPartials<int>>();
  const unsigned warps = blockDim.x / kWarp, warp = threadIdx.x / kWarp;
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  int inclusive = x;
  for (int step = 1; step < kWarp; step *= 2) {
    const int before = __shfl_up_sync(kAllLanes, inclusive, static_cast<unsigned>(step));
    if (lane >= step) inclusive += before;
  }
  if (lane == kWarp - 1) store_shared(&partials.warps[warp], inclusive);
  __syncthreads();
  int before = 0;
  total = 0;
  for (unsigned w = 0; w < warps; ++w) {
    const int sum = load_shared(&partials.warps[w]);
    if (w < warp) before += sum;
    total += sum;
  }
  __syncthreads();  // the next call may write
  return before + inclusive - x;
}

}  // namespace attune::device
