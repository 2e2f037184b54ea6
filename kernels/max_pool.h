// One vector per sequence: the largest value of each channel over its rows.
//
//   y[b, c] = max of x[n, c] over the rows n of sequence b; NaN if one of them is NaN; 0 if there are none
//   dx[n, c] = dy[b, c] for the first row n of b that has this value, 0 elsewhere
//
// The rows come from offsets in the context's memory, so a captured step can pool batches of other lengths.
#pragma once

#include "base/dtype.h"
#include "kernels/context.h"

namespace attune::kernels {

/// Sequence b owns the rows offsets[b] .. offsets[b + 1); rows beyond offsets[B] belong to none.
struct MaxPoolLayout {
  const std::int32_t* offsets;  // [B + 1]
  std::int64_t sequences;       // B
  std::int64_t rows;            // N >= offsets[B]
  std::int64_t channels;        // C
};

struct MaxPoolForward {
  void* y;        // [B, C]
  const void* x;  // [N, C]
  MaxPoolLayout layout;
  DType dtype;
};

struct MaxPoolBackward {
  GradOut dx;      // [N, C]
  const void* dy;  // [B, C]
  const void* x;   // [N, C], as in forward
  MaxPoolLayout layout;
  DType dtype;
};

/// Whether `value` takes the place of `best`, the value of an earlier row.
template <class T>
constexpr bool is_larger(T value, T best) {
  return value > best || (value != value && best == best);  // NOLINT(misc-redundant-expression): of NaN
}

void max_pool_forward(const CpuContext&, const MaxPoolForward&);
void max_pool_forward(const CudaContext&, const MaxPoolForward&);
void max_pool_backward(const CpuContext&, const MaxPoolBackward&);
void max_pool_backward(const CudaContext&, const MaxPoolBackward&);

}  // namespace attune::kernels
