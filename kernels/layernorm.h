// Layer normalisation of each row, with the residual addition and the dropout before it fused in.
//
//   s = residual + dropout(x)               (s = x where there is no residual)
//   y = (s - mean) * rstd * weight + bias    rstd = 1 / sqrt(variance + eps), biased variance, two passes
//
// Backward, with g = dy * weight and h = (s - mean) * rstd:
//   ds = rstd * (g - mean_c(g) - h * mean_c(g * h)) + dsum     dsum: gradient that reaches s by other ways
//   dresidual = ds      dx = dropout'(ds)      dweight = sum_n dy * h      dbias = sum_n dy
//
// Ba, Kiros, Hinton: "Layer normalization", arXiv 1607.06450.
#pragma once

#include "base/dtype.h"
#include "kernels/context.h"
#include "kernels/dropout.h"

namespace attune {

struct LayerNormForward {
  void* y;               // [N, C]
  void* sum;             // [N, C] s; required with a residual or dropout, otherwise null
  void* mean;            // [N] saved for backward, or null
  void* rstd;            // [N] saved for backward, or null
  const void* x;         // [N, C]
  const void* residual;  // [N, C] or null
  const void* weight;    // [C]
  const void* bias;      // [C] or null
  std::int64_t rows, channels;
  double eps;
  DropoutMask dropout;  // of x; only with a residual
  DType dtype;
};

struct LayerNormBackward {
  GradOut dx;         // [N, C]
  GradOut dresidual;  // [N, C]; only with a residual
  GradOut dweight;    // [C]
  GradOut dbias;      // [C]
  const void* dy;     // [N, C]
  const void* dsum;   // [N, C] or null
  const void* sum;    // [N, C] s (x itself where there was no residual)
  const void* mean;   // [N]
  const void* rstd;   // [N]
  const void* weight; // [C]
  std::int64_t rows, channels;
  DropoutMask dropout;
  DType dtype;
};

void layernorm_forward(const CpuContext&, const LayerNormForward&);
void layernorm_forward(const CudaContext&, const LayerNormForward&);
void layernorm_backward(const CpuContext&, const LayerNormBackward&);
void layernorm_backward(const CudaContext&, const LayerNormBackward&);

}  // namespace attune
