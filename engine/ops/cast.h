// Conversion between float types on any device (kernels/cast.h).
#pragma once

#include "engine/ops/args.h"

namespace attune::ops {

/// x in another float type, on its device; x itself if it has that type already.
Tensor cast(const Tensor& x, DType dtype);

}  // namespace attune::ops
