// Activations with their slopes, as kernels/activation.h defines them.
#pragma once

#include <cmath>
#include <utility>

#include "base/check.h"
#include "kernels/activation.h"
#include "kernels/cuda/platform.cuh"

namespace attune::device {

using kernels::Activation;

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

}  // namespace attune::device

namespace attune::cuda {

using kernels::Activation;

/// Calls f.template operator()<kind>().
template <class F>
decltype(auto) dispatch_activation(Activation kind, F&& f) {
  switch (kind) {
    case Activation::kGeluTanh:
      return std::forward<F>(f).template operator()<Activation::kGeluTanh>();
    case Activation::kGeluErf:
      return std::forward<F>(f).template operator()<Activation::kGeluErf>();
    case Activation::kRelu:
      return std::forward<F>(f).template operator()<Activation::kRelu>();
    case Activation::kTanh:
      return std::forward<F>(f).template operator()<Activation::kTanh>();
  }
  throw Error("activation: unknown kind");
}

}  // namespace attune::cuda
