// Dropout (kernels/dropout.h). x, y: [..., C], the mask one row key per row. Backward draws the mask again.
#pragma once

#include "engine/ops/args.h"

namespace attune::ops {

Tensor dropout_forward(const Tensor& x, const DropoutSpec& spec);
void dropout_backward(const GradTarget& dx, const Tensor& dy, const DropoutSpec& spec);

}  // namespace attune::ops
