// One step of AdamW on many parameters in one call (kernels/adamw.h).
#pragma once

#include <span>

#include "engine/ops/args.h"

namespace attune::ops {

/// One parameter; all of its tensors have its shape. S is statistics_dtype of its type.
struct AdamWTensor {
  InPlace param;
  Tensor grad;     // of the parameter's type
  InPlace m, v;    // S
  InPlace master;  // S if the parameter is not S: the exact value, rounded into param; else undefined
  std::int64_t group = 0;
};

struct AdamWSpec {
  double beta1, beta2, eps;
};

/// What a group of parameters has for itself.
struct AdamWRates {
  double learning_rate, weight_decay;
};

/// The values that change from step to step, at step t (1, 2, ...): float64 [groups, 3] on the host.
Tensor adamw_scalars(std::span<const AdamWRates> groups, const AdamWSpec& spec, std::int64_t t);

/// scalars: as above, on the parameters' device. grad_scale: float64 [1] the gradients are multiplied with, or
/// undefined; if it is NaN, nothing changes. Only starts work on the device.
void adamw(std::span<const AdamWTensor> tensors, const Tensor& scalars, const Tensor& grad_scale,
           const AdamWSpec& spec);

}  // namespace attune::ops
