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
  /// Pieces of kNormPiece elements of the whole gradient; the last may have fewer.
  std::int64_t pieces() const;
};
/// norm: float64 [1], set to the root of the sum of squares over all gradients, which are on its device.
void grad_norm(const InPlace& norm, std::span<const Gradient> gradients);

/// Elements whose squares are added first: a part of a gradient that begins at a multiple of it gives sums of the whole.
extern const std::int64_t kNormPiece;
/// The norm in two parts, with its bits. Sets the sums of squares of each gradient's pieces in `sums`, float64 [N], from
/// its place in `first` on; if that is empty, one gradient after the other, which must fill `sums`. During a backward pass
/// that is side work (engine/tensor/side_work.h): `sums` may be read after its end, and the gradients must live until then.
void grad_squares(const InPlace& sums, std::span<const Gradient> gradients, std::span<const std::int64_t> first = {});
/// norm: float64 [1], set to the root of the sum of `sums`.
void norm_of_squares(const InPlace& norm, const Tensor& sums);

/// stop: float64 [1], set to NaN if the loss, one number, is not finite, and not changed otherwise.
void stop_at_loss(const InPlace& stop, const Tensor& loss);

/// scale: float64 [1], set to max_norm / (norm + 1e-6) if that is below 1, else to 1. max_norm <= 0 never clips. If the
/// norm is not finite, or stop (float64 [1]) is NaN, both are NaN afterwards.
void clip_scale(const InPlace& scale, const InPlace& stop, const Tensor& norm, double max_norm);

}  // namespace attune::ops
