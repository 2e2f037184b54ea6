// y = x W^T + b (kernels/linear.h). x: [..., I], weight: [O, I], bias: [O] or undefined, y: [..., O].
#pragma once

#include "engine/ops/args.h"

namespace attune::ops {

Tensor linear_forward(const Tensor& x, const Tensor& weight, const Tensor& bias);
/// y += x W^T.
void linear_add(const InPlace& y, const Tensor& x, const Tensor& weight);
/// Targets that are not wanted are empty.
struct LinearGrads {
  GradTarget dx, dweight, dbias;
};
/// x may be undefined if dweight is not wanted.
void linear_backward(const LinearGrads& grads, const Tensor& dy, const Tensor& x, const Tensor& weight);

}  // namespace attune::ops
