// AdamW over all parameters in one call, with PyTorch's order of operations; the norm of all gradients, and their
// clipping.
//
// Per element at step t (1, 2, ...), with gradient g = grad * grad_scale:
//   p -= lr * weight_decay * p          (decoupled, first)
//   m = beta1 m + (1 - beta1) g         v = beta2 v + (1 - beta2) g^2
//   p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
// The scalars are computed in double, the elements in their own type.
//
// The values that change from step to step (AdamWScalars, grad_scale, the norm) are in the context's memory, and
// nothing waits for a device, so that a captured step can be replayed: stop_at_loss, grad_norm, clip_scale and adamw may
// follow each other without the host.
//
// Loshchilov, Hutter: "Decoupled weight decay regularization", arXiv 1711.05101.
#pragma once

#include <limits>
#include <span>

#include "base/dtype.h"
#include "kernels/context.h"

namespace attune::kernels {

/// One parameter tensor with its gradient and moments, all of `n` elements.
struct AdamWTensor {
  void* param;
  const void* grad;
  void* m;  // float32 if the dtype is bfloat16
  void* v;  // likewise
  std::int64_t n;
  DType dtype;  // of param and grad; tensors of float32 and bfloat16 may be mixed, float64 ones are alone
  void* master =
      nullptr;  // float32 copy that the update changes if the dtype is bfloat16 (param is then its rounding); else null
  std::int32_t group = 0;  // its row of AdamW::scalars
};

/// The values that change from step to step: three consecutive doubles.
struct AdamWScalars {
  double decay;             // 1 - learning_rate * weight_decay
  double step_size;         // learning_rate / (1 - beta1^t)
  double root_correction2;  // sqrt(1 - beta2^t)
};

/// The scalars of step t, from 1.
AdamWScalars adamw_scalars(double learning_rate, double weight_decay, double beta1, double beta2, std::int64_t t);

struct AdamW {
  std::span<const AdamWTensor> tensors;
  const AdamWScalars* scalars;         // [groups] in the context's memory
  const double* grad_scale = nullptr;  // in the context's memory, e.g. from clip_scale; null: 1; NaN: nothing changes
  double beta1, beta2, eps;
};

void adamw(const CpuContext&, const AdamW&);
void adamw(const CudaContext&, const AdamW&);

/// The gradient of one parameter.
struct GradNormTensor {
  const void* data;  // [n], or the values of a row gradient: [slots, C]
  std::int64_t n;
  DType dtype;
  const std::int32_t* marks = nullptr;  // [n / C] of a row gradient (kernels/row_gradient.h)
  std::int64_t channels = 0;            // C of a row gradient
};

/// norm = sqrt of the sum of squares over all tensors, accumulated in double in a fixed order; 0 of none. A row
/// gradient gives the bits of a dense one.
struct GradNorm {
  double* norm;  // [1] in the context's memory
  std::span<const GradNormTensor> tensors;
};

void grad_norm(const CpuContext&, const GradNorm&);
void grad_norm(const CudaContext&, const GradNorm&);

/// The sums that the norm adds are of the squares of so many elements of a tensor; the last of a tensor may have fewer.
inline constexpr std::int64_t kNormPiece = 16384;

/// The norm in two parts, with the bits of grad_norm: the sums of all pieces, tensor by tensor, and the root of their
/// sum. So processes may each have the sums of some pieces.
struct GradSquares {
  double* sums;  // [pieces] in the context's memory
  std::span<const GradNormTensor> tensors;
};
struct NormOfSquares {
  double* norm;        // [1] in the context's memory
  const double* sums;  // [pieces] in the context's memory
  std::int64_t pieces;
};

void grad_squares(const CpuContext&, const GradSquares&);
void grad_squares(const CudaContext&, const GradSquares&);
void norm_of_squares(const CpuContext&, const NormOfSquares&);
void norm_of_squares(const CudaContext&, const NormOfSquares&);

/// The factor of clipping: max_norm / (norm + 1e-6) where that is below 1 (torch.nn.utils.clip_grad_norm_), NaN if the
/// norm is not finite; max_norm <= 0 never clips.
constexpr double clip_scale(double norm, double max_norm) {
  if (!(norm <= std::numeric_limits<double>::max())) return std::numeric_limits<double>::quiet_NaN();
  if (max_norm <= 0) return 1;
  const double scale = max_norm / (norm + 1e-6);
  return scale > 1 ? 1 : scale;
}

/// The steps of an optimizer up to the first that is not finite: `stop` ([1], in the context's memory) is 0 before it,
/// and NaN from then on. Later steps then change nothing, and the parameters stay as that step found them.
///
/// Sets stop if the loss ([1], float32 or float64) is not finite.
struct StopAtLoss {
  double* stop;
  const void* loss;
  DType dtype;  // of loss
};

void stop_at_loss(const CpuContext&, const StopAtLoss&);
void stop_at_loss(const CudaContext&, const StopAtLoss&);

/// scale = clip_scale(norm, max_norm), which sets stop if it is NaN; NaN if stop is set. All [1] in the context's memory.
struct ClipScale {
  double* scale;
  double* stop;
  const double* norm;
  double max_norm;
};

void clip_scale(const CpuContext&, const ClipScale&);
void clip_scale(const CudaContext&, const ClipScale&);

}  // namespace attune::kernels
