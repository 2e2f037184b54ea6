// One step of AdamW on one element (kernels/adamw.h).
#pragma once

#include "kernels/adamw.h"
#include "kernels/cuda/device/vec.cuh"

namespace attune::device {

struct AdamWFactors {
  float decay, one_minus_beta1, beta2, one_minus_beta2, root_correction2, eps, step_size, grad_scale;
};

// The inputs of the factors: the same at every step, and read from memory.
struct AdamWRecipe {
  const kernels::AdamWScalars* scalars;
  const double* grad_scale;  // or null
  float one_minus_beta1, beta2, one_minus_beta2, eps;

  static AdamWRecipe of(const kernels::AdamWScalars* scalars, const double* grad_scale, double beta1, double beta2,
                        double eps) {
    return {.scalars = scalars,
            .grad_scale = grad_scale,
            .one_minus_beta1 = static_cast<float>(1 - beta1),
            .beta2 = static_cast<float>(beta2),
            .one_minus_beta2 = static_cast<float>(1 - beta2),
            .eps = static_cast<float>(eps)};
  }
};

__device__ __forceinline__ AdamWFactors factors_of(const AdamWRecipe& r, int group = 0) {
  const kernels::AdamWScalars* scalars = r.scalars + group;
  return {.decay = static_cast<float>(load_global(&scalars->decay)),
          .one_minus_beta1 = r.one_minus_beta1,
          .beta2 = r.beta2,
          .one_minus_beta2 = r.one_minus_beta2,
          .root_correction2 = static_cast<float>(load_global(&scalars->root_correction2)),
          .eps = r.eps,
          .step_size = static_cast<float>(load_global(&scalars->step_size)),
          .grad_scale = r.grad_scale == nullptr ? 1.0f : static_cast<float>(load_global(r.grad_scale))};
}

/// A step with the gradient g.
__device__ __forceinline__ void adamw_step(float& p, float& m, float& v, float g, const AdamWFactors& s) {
  const float grad = g * s.grad_scale;
  m = m + s.one_minus_beta1 * (grad - m);
  v = s.beta2 * v + s.one_minus_beta2 * grad * grad;
  // One rounding: a decayed p rounded first would lie on a grid that equal steps leave with equal errors.
  p = fmaf(p, s.decay, -s.step_size * (m / (sqrtf(v) / s.root_correction2 + s.eps)));
}

}  // namespace attune::device
