// A kernel on a list of tensors: a block owns a chunk of one of them. The table of the list is on the device; its
// entries have `first_chunk`, the number of the tensor's first chunk, `n` elements, and `wide`, whether all pointers
// allow 16-byte accesses.
#pragma once

#include <type_traits>

#include "kernels/cuda/device/vec.cuh"

namespace attune::device {

// The index of the entry that chunk `blockIdx.x` belongs to.
template <class Entry>
__device__ int own_tensor(const Entry* entries, int count) {
  int low = 0, high = count - 1;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (load_global(&entries[middle].first_chunk) <= static_cast<int>(blockIdx.x))
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

// The elements of this block's chunk.
struct Range {
  std::int64_t begin, end;
};

template <int kChunk, class Entry>
__device__ Range own_range(const Entry& e) {
  const std::int64_t begin = (static_cast<std::int64_t>(blockIdx.x) - e.first_chunk) * kChunk, end = begin + kChunk;
  return {begin, end < e.n ? end : e.n};
}

// Calls body(width constant, first element) for the elements of this thread of kThreads, W at a time where the tensor
// allows it, with the loads of so many calls in flight.
template <int kThreads, int W, int kInFlight, class Entry, class Body>
__device__ void for_own_elements(const Entry& e, const Range& chunk, Body&& body) {
  std::int64_t scalars = chunk.begin;
  if (e.wide != 0) {
    scalars = chunk.end / W * W;
#pragma unroll kInFlight
    for (std::int64_t i = chunk.begin + threadIdx.x * W; i + W <= chunk.end; i += kThreads * W)
      body(std::integral_constant<int, W>{}, i);
  }
  for (std::int64_t i = scalars + threadIdx.x; i < chunk.end; i += kThreads) body(std::integral_constant<int, 1>{}, i);
}

}  // namespace attune::device
