// The residual connection y = residual + dropout(x), all [..., C] (kernels/residual.h). Its gradients are dy itself and
// dropout_backward of dy.
#pragma once

#include "engine/ops/args.h"

namespace attune::ops {

Tensor residual(const Tensor& residual, const Tensor& x, const DropoutSpec& spec);

}  // namespace attune::ops
