// Layer normalisation over the innermost dimension, with the residual addition and its dropout fused in
// (kernels/layernorm.h). x, residual, y, sum: [..., C]; weight: [C]; bias: [C] or undefined.
#pragma once

#include "engine/ops/args.h"

namespace attune::ops {

struct LayerNormOut {
  Tensor y;
  Tensor sum;         // residual + dropout(x); x itself without a residual
  Tensor mean, rstd;  // [N], saved for backward
};
LayerNormOut layernorm_forward(const Tensor& x, const Tensor& residual, const Tensor& weight, const Tensor& bias,
                               double eps, const DropoutSpec& dropout);

struct LayerNormGrads {
  GradTarget dx, dresidual, dweight, dbias;
};
/// dsum (or undefined) is the gradient that reaches `sum` by other ways.
void layernorm_backward(const LayerNormGrads& grads, const Tensor& dy, const Tensor& dsum, const LayerNormOut& saved,
                        const Tensor& weight, const DropoutSpec& dropout);

}  // namespace attune::ops
