// Layer normalisation over the innermost dimension, with the residual addition and its dropout fused in
// (kernels/layernorm.h). x, residual, y, stream, sum: [..., C]; weight: [C]; bias: [C] or undefined. S below is
// statistics_dtype of y's type: the type of the residual stream and the parameters.
#pragma once

#include "engine/ops/args.h"

namespace attune::ops {

struct LayerNormOut {
  Tensor y;
  Tensor stream;      // S: y before it is rounded; y itself if its type is S; undefined if not requested
  Tensor sum;         // S: residual + dropout(x); x itself without a residual
  Tensor mean, rstd;  // [N] S, saved for backward
};
struct LayerNormSpec {
  double eps;
  DType dtype;          // of y, and of x if there is a residual; otherwise x is S
  bool stream = false;  // whether y is wanted unrounded as well
  DropoutSpec dropout;  // of x, only with a residual
};
LayerNormOut layernorm_forward(const Tensor& x, const Tensor& residual, const Tensor& weight, const Tensor& bias,
                               const LayerNormSpec& spec);

struct LayerNormGrads {
  GradTarget dx, dresidual, dweight, dbias;
};
/// Incoming gradients; each may be undefined, but not both of the first two.
struct LayerNormUpstream {
  Tensor dy, dstream;
  Tensor dsum;  // reaches `sum` by other ways
};
void layernorm_backward(const LayerNormGrads& grads, const LayerNormUpstream& upstream, const LayerNormOut& saved,
                        const Tensor& weight, bool residual, const LayerNormSpec& spec);

}  // namespace attune::ops
