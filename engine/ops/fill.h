// Every element of a tensor set to one value (kernels/fill.h).
#pragma once

#include "engine/ops/args.h"

namespace attune::ops {

void fill(const InPlace& y, double value);

}  // namespace attune::ops
