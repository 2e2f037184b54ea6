// One vector per sequence: a chosen row, or the mean of a range of rows.
//
//   y[b] = mean of x[n] for begins[b] <= n < ends[b]         (a single row: ends = begins + 1)
//   dx[n] = dy[b] / (ends[b] - begins[b]) inside the range of its sequence, 0 elsewhere
#pragma once

#include "base/dtype.h"
#include "kernels/context.h"

namespace attune {

struct PoolForward {
  void* y;        // [B, C]
  const void* x;  // [N, C]
  const std::int32_t* begins;  // [B] first row of each range
  const std::int32_t* ends;    // [B] one past its last row; ranges are not empty, ascending, and do not overlap
  std::int64_t sequences, rows, channels;
  DType dtype;
};

struct PoolBackward {
  GradOut dx;      // [N, C]; kWrite zeroes the rows of no range
  const void* dy;  // [B, C]
  const std::int32_t* begins;
  const std::int32_t* ends;
  std::int64_t sequences, rows, channels;
  DType dtype;
};

void pool_forward(const CpuContext&, const PoolForward&);
void pool_forward(const CudaContext&, const PoolForward&);
void pool_backward(const CpuContext&, const PoolBackward&);
void pool_backward(const CudaContext&, const PoolBackward&);

}  // namespace attune
