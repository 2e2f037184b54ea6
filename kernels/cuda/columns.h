// Sums over the rows of matrices, in a fixed order: gradients of biases, of layer norm weights.
#pragma once

#include <span>

#include "base/dtype.h"
#include "kernels/context.h"
#include "kernels/layernorm.h"
#include "kernels/linear.h"

namespace attune::cuda {

/// out[c] (+)= sum over n of x[n, c], x being `row_stride` elements from row to row. With a second output x has 2 C
/// columns, and second[c] (+)= sum over n of x[n, C + c].
struct ColumnSum {
  kernels::GradOut out, second;  // [C]
  const void* x;                 // [N, C] or [N, 2 C]
  std::int64_t rows, channels, row_stride;
  DType dtype;  // of x and the outputs: float32 or bfloat16; sums are float32
};

/// dbias of a linear layer.
inline ColumnSum bias_sum(const kernels::LinearBackward& args) {
  return {.out = args.dbias,
          .second = {},
          .x = args.dy,
          .rows = args.rows,
          .channels = args.outputs,
          .row_stride = args.outputs,
          .dtype = args.dtype};
}

/// dweight, dbias or both of layer norm, from `parts` (float32 [count, 2, C], as layernorm_backward leaves them).
inline ColumnSum sum_of_parts(const kernels::LayerNormBackward& args, const float* parts, std::int64_t count) {
  return {.out = args.dweight ? args.dweight : args.dbias,
          .second = args.dweight && args.dbias ? args.dbias : kernels::GradOut{},
          .x = parts + (args.dweight ? 0 : args.channels),
          .rows = count,
          .channels = args.channels,
          .row_stride = 2 * args.channels,
          .dtype = DType::kFloat32};
}

/// Sums that one launch can do.
inline constexpr std::size_t kMaxSumsOfALaunch = 8;

/// All of them, as many as possible in a launch. They may not write to the same bytes. The bits are the same in any
/// company.
void sum_columns(const kernels::CudaContext& context, std::span<const ColumnSum> sums);

}  // namespace attune::cuda
