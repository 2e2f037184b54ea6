// Ops that map rows to rows of the same width: activations, gates, dropout, the residual addition, and the additions
// autograd itself needs.
#pragma once

#include "engine/ops/args.h"
#include "kernels/activation.h"

namespace attune {

using kernels::Activation;

namespace ops {

/// y = f(x), any shape.
Tensor activation_forward(const Tensor& x, Activation kind);
void activation_backward(const GradTarget& dx, const Tensor& dy, const Tensor& x, Activation kind);

/// u: [..., 2 I] -> y: [..., I] = f(u[: I]) * u[I :] (kernels/glu.h).
Tensor glu_forward(const Tensor& u, Activation kind);
void glu_backward(const GradTarget& du, const Tensor& dy, const Tensor& u, Activation kind);

/// y = dropout(x) with x: [N, C]; also its own backward.
Tensor dropout(const Tensor& x, const DropoutSpec& spec);
void dropout_backward(const GradTarget& dx, const Tensor& dy, const DropoutSpec& spec);

/// y = residual + dropout(x); both [N, C].
Tensor residual_forward(const Tensor& residual, const Tensor& x, const DropoutSpec& spec);

/// target (+)= alpha * x.
void scale_into(const GradTarget& target, const Tensor& x, double alpha = 1);
/// x in another float type, on its device; x itself where it has it already.
Tensor cast(const Tensor& x, DType dtype);
/// Sets every element.
void fill(const Tensor& x, double value);

}  // namespace ops
}  // namespace attune
