// The norm of many gradients as one vector, and the factor of clipping (kernels/adamw.h).
#pragma once

#include <span>

#include "engine/ops/args.h"

namespace attune::ops {

/// The gradient of a parameter. Of a table it may be the values of some rows, [slots, C], with the marks of all rows,
/// int32 [rows] (kernels/row_gradient.h).
struct Gradient {
  Tensor values;
  Tensor marks = {};
};
/// norm: float64 [1], set to the root of the sum of squares over all gradients, which are on its device.
void grad_norm(const InPlace& norm, std::span<const Gradient> gradients);

/// scale: float64 [1], set to max_norm / (norm + 1e-6) if that is below 1, else to 1; NaN if the norm is not finite.
/// max_norm <= 0 never clips.
void clip_scale(const InPlace& scale, const Tensor& norm, double max_norm);

}  // namespace attune::ops
