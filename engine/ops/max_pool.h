// The largest value of each channel over the rows of a sequence (kernels/max_pool.h).
// x: [N, C]; offsets: int32 [B + 1], the first row of each sequence and one more at the end; y: [B, C].
#pragma once

#include "engine/ops/args.h"

namespace attune::ops {

Tensor max_pool_forward(const Tensor& x, const Tensor& offsets);
/// x as in forward.
void max_pool_backward(const GradTarget& dx, const Tensor& dy, const Tensor& x, const Tensor& offsets);

}  // namespace attune::ops
