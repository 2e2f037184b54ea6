// Grids of one thread per vector of a matrix, row after row: blocks are full for any length of a row.
#pragma once

#include <cstdint>

#include "base/check.h"
#include "base/math.h"
#include "kernels/cuda/platform.cuh"

namespace attune::device {

/// The vectors of W elements of a matrix [N, C], W dividing C.
struct RowVectors {
  unsigned rows, per_row;

  /// Throws Error if they are more than a thread's index counts.
  static RowVectors of(std::int64_t rows, std::int64_t channels, int width) {
    CHECK(rows * (channels / width) < std::int64_t{1} << 31, "a matrix of ", rows, " rows of ", channels,
          " elements is larger than CUDA kernels support");
    return {narrow<unsigned>(rows), narrow<unsigned>(channels / width)};
  }
  unsigned blocks(unsigned threads) const { return ceil_div(rows * per_row, threads); }

  /// Row n and first element c of this thread's vector; false if it has none.
  template <int W>
  __device__ __forceinline__ bool own(std::int64_t& n, std::int64_t& c) const {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    n = i / per_row;
    c = i % per_row * W;
    return n < rows;
  }
};

}  // namespace attune::device
