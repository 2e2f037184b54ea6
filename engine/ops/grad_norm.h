// The norm of many gradients as one vector, and the factor of clipping (kernels/adamw.h).
#pragma once

#include <span>

#include "engine/ops/args.h"

namespace attune::ops {

/// norm: float64 [1], set to the root of the sum of squares over all gradients, which are on its device.
void grad_norm(const InPlace& norm, std::span<const Tensor> gradients);

/// scale: float64 [1], set to max_norm / (norm + 1e-6) if that is below 1, else to 1; NaN if the norm is not finite.
/// max_norm <= 0 never clips.
void clip_scale(const InPlace& scale, const Tensor& norm, double max_norm);

}  // namespace attune::ops
