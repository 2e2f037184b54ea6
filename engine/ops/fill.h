// Every element of a tensor set to one value (kernels/fill.h).
#pragma once

#include "engine/ops/args.h"

namespace attune::ops {

/// Overwrites the elements of y, which other tensors may share.
void fill(const Tensor& y, double value);

}  // namespace attune::ops
