// Activations with their slopes, as kernels/activation.h defines them.
//
// At 6 million elements a step an activation is bound by instructions before memory, so each is written for few of them:
// value and slope share the exponential (and float32's erf and tanh are the library's). What is rounded to bfloat16 takes the exponential of
// the special function unit and a polynomial for erf.
#pragma once

#include <cmath>
#include <utility>

#include "base/check.h"
#include "kernels/activation.h"
#include "kernels/cuda/device/log2e.cuh"
#include "kernels/cuda/platform.cuh"

namespace attune::device {

using kernels::Activation;

struct ValueAndSlope {
  float value, slope;
};

/// e^x for a result of type T.
template <class T>
__device__ __forceinline__ float exp_for(float x) {
  if constexpr (sizeof(T) == sizeof(float))
    return expf(x);
  else
    return fast_exp2(x * kLog2E);
}

/// The normal distribution at x: P(X < x), and its density times sqrt(2 pi), for a result of type T.
struct Normal {
  float cdf, bell;
};
template <class T>
__device__ __forceinline__ Normal normal(float x) {
  constexpr float kRootHalf = 0.7071067811865475f;
  const float bell = exp_for<T>(-0.5f * x * x);
  if constexpr (sizeof(T) == sizeof(float)) return {0.5f * (1.0f + erff(x * kRootHalf)), bell};
  // Abramowitz, Stegun: "Handbook of mathematical functions", 7.1.26, within 1.5e-7 of erf; the tail is bell times a
  // polynomial.
  const float t = fast_reciprocal(1.0f + 0.3275911f * kRootHalf * fabsf(x));
  const float polynomial =
      t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
  const float tail = 0.5f * polynomial * bell;
  return {x < 0 ? tail : 1.0f - tail, bell};
}

/// The activation of x, to the precision of T. NaN stays NaN.
template <Activation kind, class T>
__device__ __forceinline__ ValueAndSlope activate(float x) {
  if constexpr (kind == Activation::kGeluTanh) {
    constexpr float kRootTwoOverPi = 0.7978845608028654f, kCube = 0.044715f;
    // 0.5 (1 + tanh u) = s = 1 / (1 + e) with e = exp(-2u), which does not cancel; its slope is 2 s (e s) u'.
    const float square = x * x, twice_u = x * (2.0f * kRootTwoOverPi + 2.0f * kRootTwoOverPi * kCube * square);
    const float twice_u_slope = 2.0f * kRootTwoOverPi + 6.0f * kRootTwoOverPi * kCube * square;
    const float e = exp_for<T>(fminf(-twice_u, 80.0f)), s = fast_reciprocal(1.0f + e);
    return {x * s, s + x * s * (e * s) * twice_u_slope};
  } else if constexpr (kind == Activation::kGeluErf) {
    constexpr float kDensity = 0.3989422804014327f;  // 1 / sqrt(2 pi)
    const Normal at = normal<T>(x);
    return {x * at.cdf, at.cdf + x * (kDensity * at.bell)};
  } else if constexpr (kind == Activation::kRelu) {
    return {x <= 0 ? 0.0f : x, x > 0 ? 1.0f : 0.0f};
  } else {
    const float e = exp_for<T>(-2.0f * fabsf(x)), s = fast_reciprocal(1.0f + e);  // 1 - tanh^2 without cancellation
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
