// Sums over the rows of a matrix, in a fixed order: gradients of biases, of layer norm weights.
#pragma once

#include "base/dtype.h"
#include "kernels/context.h"

namespace attune::cuda {

/// out[c] (+)= sum over n of x[n, c], x being `row_stride` elements from row to row.
struct ColumnSum {
  kernels::GradOut out;  // [C] of `out_dtype`
  const void* x;         // [N, C] of `dtype`
  std::int64_t rows, channels, row_stride;
  DType dtype, out_dtype;
};

void sum_columns(const kernels::CudaContext& context, const ColumnSum& args);

}  // namespace attune::cuda
