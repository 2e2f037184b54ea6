// y = alpha * x, or y += alpha * x if y accumulates, of any shape (kernels/scale.h).
#pragma once

#include "engine/ops/args.h"

namespace attune::ops {

void scale(const GradTarget& y, const Tensor& x, double alpha = 1);

}  // namespace attune::ops
