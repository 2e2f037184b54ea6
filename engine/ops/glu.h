// The gated linear unit (kernels/glu.h). u: [..., 2 I]; y: [..., I] = f(first half of u) * second half.
#pragma once

#include "engine/ops/activation.h"
#include "engine/ops/args.h"

namespace attune::ops {

Tensor glu_forward(const Tensor& u, Activation kind);
void glu_backward(const GradTarget& du, const Tensor& dy, const Tensor& u, Activation kind);

}  // namespace attune::ops
