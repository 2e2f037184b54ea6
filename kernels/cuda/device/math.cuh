// Activations with their slopes, and dropout factors, as kernels/activation.h and kernels/dropout.h define them.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/activation.h"
#include "kernels/cuda/platform.cuh"
#include "kernels/dropout.h"

namespace attune::device {

struct ValueAndSlope {
  float value, slope;
};

template <Activation kind>
__device__ __forceinline__ ValueAndSlope activate(float x) {
  if constexpr (kind == Activation::kGeluTanh) {
    constexpr float kRootTwoOverPi = 0.7978845608028654f, kCube = 0.044715f;
    // 0.5 (1 + tanh u) = 1 / (1 + e) with e = exp(-2u), which does not cancel; nor does 0.5 (1 - tanh^2 u) = 2 e / (1 +
    // e)^2.
    const float u = kRootTwoOverPi * (x + kCube * x * x * x), u_slope = kRootTwoOverPi * (1.0f + 3.0f * kCube * x * x);
    const float e = expf(fminf(-2.0f * u, 80.0f)), s = 1.0f / (1.0f + e);
    return {x * s, s + 2.0f * x * s * (e * s) * u_slope};
  } else if constexpr (kind == Activation::kGeluErf) {
    constexpr float kRootHalf = 0.7071067811865475f, kDensity = 0.3989422804014327f;
    const float cdf = 0.5f * (1.0f + erff(x * kRootHalf));
    return {x * cdf, cdf + x * kDensity * expf(-0.5f * x * x)};
  } else if constexpr (kind == Activation::kRelu) {
    return {x > 0 ? x : 0.0f, x > 0 ? 1.0f : 0.0f};
  } else {
    const float e = expf(-2.0f * fabsf(x)), s = 1.0f / (1.0f + e);  // 1 - tanh^2 without cancellation
    return {tanhf(x), 4.0f * e * s * s};
  }
}

/// A DropoutMask as kernels take it.
struct DropoutPlan {
  std::uint64_t seed;
  std::uint32_t step, site, threshold;
  float scale;
  const std::uint32_t* row_keys;  // null: nothing is dropped
  const std::uint32_t* step_at;   // null: step is known
};

inline DropoutPlan plan_of(const DropoutMask& mask) {
  if (!mask.active()) return {.seed = 0, .step = 0, .site = 0, .threshold = 0, .scale = 1, .row_keys = nullptr, .step_at = nullptr};
  return {.seed = mask.seed,
          .step = mask.step,
          .site = mask.site,
          .threshold = mask.threshold(),
          .scale = static_cast<float>(mask.scale()),
          .row_keys = mask.row_keys,
          .step_at = mask.step_at};
}

/// The step of a plan, brought from memory where it lies there: once, when a kernel begins.
__device__ __forceinline__ std::uint32_t step_of(const DropoutPlan& plan) {
  return plan.step_at == nullptr ? plan.step : load_global(plan.step_at);
}

/// What channels channel .. channel + N - 1 of a row are multiplied with. N is 1 or a multiple of 4; channel is a
/// multiple of N.
template <int N>
__device__ __forceinline__ void dropout_factors(float (&factors)[N], const DropoutPlan& plan, std::uint32_t site_offset,
                                                std::uint32_t key, std::uint32_t channel) {
  for (int i = 0; i < N; i += 4) {
    const PhiloxBits bits =
        philox4x32(plan.seed, {plan.step, plan.site + site_offset, key, (channel + static_cast<std::uint32_t>(i)) / 4});
    if constexpr (N == 1) {
      const std::uint32_t word = channel % 4;
      const std::uint32_t drawn = word == 0 ? bits[0] : word == 1 ? bits[1] : word == 2 ? bits[2] : bits[3];
      factors[0] = drawn < plan.threshold ? 0.0f : plan.scale;
    } else {
      for (int j = 0; j < 4; ++j)
        factors[i + j] = bits[static_cast<std::size_t>(j)] < plan.threshold ? 0.0f : plan.scale;
    }
  }
}

/// x[i] *= factor of the element, where anything is dropped.
template <int N>
__device__ __forceinline__ void apply_dropout(float (&x)[N], const DropoutPlan& plan, std::int64_t row,
                                              std::int64_t channel) {
  if (plan.row_keys == nullptr) return;
  float factors[N];
  dropout_factors(factors, plan, 0, load_global(plan.row_keys + row), static_cast<std::uint32_t>(channel));
  for (int i = 0; i < N; ++i) x[i] *= factors[i];
}

}  // namespace attune::device

namespace attune::cuda {

/// Calls f.template operator()<kind>().
template <class F>
decltype(auto) dispatch_activation(Activation kind, F&& f) {
  switch (kind) {
    case Activation::kGeluTanh: return std::forward<F>(f).template operator()<Activation::kGeluTanh>();
    case Activation::kGeluErf: return std::forward<F>(f).template operator()<Activation::kGeluErf>();
    case Activation::kRelu: return std::forward<F>(f).template operator()<Activation::kRelu>();
    case Activation::kTanh: return std::forward<F>(f).template operator()<Activation::kTanh>();
  }
  throw Error("activation: unknown kind");
}

}  // namespace attune::cuda
