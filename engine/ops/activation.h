// y = f(x) element by element, of any shape (kernels/activation.h).
#pragma once

#include "engine/ops/args.h"
#include "kernels/activation.h"

namespace attune {

using kernels::Activation;

namespace ops {

Tensor activation_forward(const Tensor& x, Activation kind);
void activation_backward(const GradTarget& dx, const Tensor& dy, const Tensor& x, Activation kind);

}  // namespace ops
}  // namespace attune
