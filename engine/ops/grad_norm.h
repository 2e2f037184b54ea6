// The norm of many gradients as one vector, the factor of clipping, and the end of a run whose numbers are not finite
// (kernels/adamw.h).
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

/// Elements whose squares are added first: a part of a gradient that begins at a multiple of it gives sums of the whole.
extern const std::int64_t kNormPiece;
/// The norm in two parts, with its bits. sums: float64 [pieces], of the squares of each piece of kNormPiece elements of
/// each gradient, the last of which may have fewer.
void grad_squares(const InPlace& sums, std::span<const Tensor> gradients);
/// norm: float64 [1], set to the root of the sum of `sums`.
void norm_of_squares(const InPlace& norm, const Tensor& sums);

/// stop: float64 [1], set to NaN if the loss, one number, is not finite, and not changed otherwise.
void stop_at_loss(const InPlace& stop, const Tensor& loss);

/// scale: float64 [1], set to max_norm / (norm + 1e-6) if that is below 1, else to 1. max_norm <= 0 never clips. If the
/// norm is not finite, or stop (float64 [1]) is NaN, both are NaN afterwards.
void clip_scale(const InPlace& scale, const InPlace& stop, const Tensor& norm, double max_norm);

}  // namespace attune::ops
