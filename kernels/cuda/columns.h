// Sums over the rows of matrices, in a fixed order: gradients of biases, of layer norm weights.
#pragma once

#include <span>

#include "base/dtype.h"
#include "kernels/context.h"

namespace attune::cuda {

/// out[c] (+)= sum over n of x[n, c], x being `row_stride` elements from row to row. With a second output x has 2 C
/// columns, and second[c] (+)= sum over n of x[n, C + c].
struct ColumnSum {
  kernels::GradOut out, second;  // [C]
  const void* x;                 // [N, C] or [N, 2 C]
  std::int64_t rows, channels, row_stride;
  DType dtype;  // of x and the outputs: float32 or bfloat16; sums are float32
};

/// Sums that one launch can do.
inline constexpr std::size_t kMaxSumsOfALaunch = 8;

/// All of them, as many as possible in a launch. They may not write to the same bytes. The bits are the same in any
/// company.
void sum_columns(const kernels::CudaContext& context, std::span<const ColumnSum> sums);

}  // namespace attune::cuda
