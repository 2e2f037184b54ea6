// Sums over the rows of a matrix, in a fixed order: gradients of biases, of layer norm weights.
#pragma once

#include "base/dtype.h"
#include "kernels/context.h"

namespace attune::cuda {

/// out[c] (+)= sum over n of x[n, c], x being `row_stride` elements from row to row. With a second output x has 2 C
/// columns, and second[c] (+)= sum over n of x[n, C + c].
struct ColumnSum {
  kernels::GradOut out, second;  // [C] of `out_dtype`
  const void* x;                 // [N, C] or [N, 2 C] of `dtype`
  std::int64_t rows, channels, row_stride;
  DType dtype, out_dtype;
};

void sum_columns(const kernels::CudaContext& context, const ColumnSum& args);

}  // namespace attune::cuda
