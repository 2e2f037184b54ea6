// Layer normalisation of each row, fused with the residual addition and the dropout before it.
//
//   s = residual + dropout(x)               (s = x if there is no residual)
//   y = (s - mean) * rstd * weight + bias    rstd = 1 / sqrt(variance + eps), biased variance, two passes
//
// Backward, with dy the gradient of y, g = dy * weight and h = (s - mean) * rstd:
//   ds = rstd * (g - mean_c(g) - h * mean_c(g * h)) + dsum     dsum: gradient that reaches s through other ops
//   dresidual = ds      dx = dropout'(ds)      dweight = sum_n dy * h      dbias = sum_n dy
//
// In bfloat16, only inputs and outputs of matrix products are bfloat16: a branch x that is added to a residual, and y.
// The residual stream is float32 (residual, s, x if it is s itself), and so are weight, bias and the gradients of all
// of these. y is then needed twice: rounded for the products of its block, and in S if it is the next residual
// (`stream`).
//
// Ba, Kiros, Hinton: "Layer normalization", arXiv 1607.06450.
#pragma once

#include "base/dtype.h"
#include "kernels/context.h"
#include "kernels/dropout.h"

namespace attune::kernels {

// S marks tensors of type statistics_dtype(dtype): float32 if dtype is bfloat16, else dtype itself.

struct LayerNormForward {
  void* y;                 // [N, C]
  void* stream = nullptr;  // [N, C] S, y before it is rounded, or null
  void* sum;               // [N, C] S, s; required with a residual or dropout, otherwise null
  void* mean;              // [N] S, saved for backward, or null
  void* rstd;              // [N] S, saved for backward, or null
  const void* x;           // [N, C]; S without a residual
  const void* residual;    // [N, C] S, or null
  const void* weight;      // [C] S
  const void* bias;        // [C] S, or null
  std::int64_t rows, channels;
  double eps;
  DropoutMask dropout;  // of x; only with a residual
  DType dtype;
};

struct LayerNormBackward {
  GradOut dx;                     // [N, C]; S without a residual
  GradOut dresidual;              // [N, C] S; only with a residual
  GradOut dweight;                // [C] S
  GradOut dbias;                  // [C] S
  const void* dy;                 // [N, C], or null if only dstream is there
  const void* dstream = nullptr;  // [N, C] S, or null: gradient of `stream`, added to dy
  const void* dsum;               // [N, C] S, or null
  const void* sum;                // [N, C] S, s (x itself if there was no residual)
  const void* mean;               // [N] S
  const void* rstd;               // [N] S
  const void* weight;             // [C] S
  bool residual;                  // whether there was one
  std::int64_t rows, channels;
  DropoutMask dropout;
  DType dtype;
  /// With a CudaContext: [layernorm_parts(args), 2, C] S, or null. If it is there, sums of dy * h and of dy over parts
  /// of the rows go to it, and nothing to dweight and dbias: the caller adds up the parts.
  void* parts = nullptr;
};

/// The parts of the rows that a CudaContext sums on their own.
std::int64_t layernorm_parts(const CudaContext&, const LayerNormBackward&);

void layernorm_forward(const CpuContext&, const LayerNormForward&);
void layernorm_forward(const CudaContext&, const LayerNormForward&);
void layernorm_backward(const CpuContext&, const LayerNormBackward&);
void layernorm_backward(const CudaContext&, const LayerNormBackward&);

}  // namespace attune::kernels
