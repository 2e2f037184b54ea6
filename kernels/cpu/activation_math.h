// The activations of kernels/activation.h and their derivatives, element by element.
#pragma once

#include <cmath>

#include "kernels/activation.h"
#include "kernels/cpu/math.h"
#include "kernels/cpu/simd.h"

namespace attune::kernels {

/// f(x) and f'(x).
template <class T>
struct ValueAndSlope {
  T value, slope;
};

template <Activation kind>
struct ActivationFunction;

// 0.5 (1 + tanh u) = 1 / (1 + e^-2u), which keeps its precision if tanh u is close to -1.
template <>
struct ActivationFunction<Activation::kGeluTanh> {
  template <class T>
  ATTUNE_INLINE static T gate(T x) {
    constexpr T kScale = T(-1.5957691216057308);  // -2 sqrt(2 / pi)
    return T(1) / (T(1) + math::exp(x * (kScale + kScale * T(0.044715) * x * x)));
  }
  template <class T>
  ATTUNE_INLINE static T value(T x) {
    return x * gate(x);
  }
  template <class T>
  ATTUNE_INLINE static ValueAndSlope<T> both(T x) {
    constexpr T kScale = T(1.5957691216057308);
    const T s = gate(x);
    const T slope_of_exponent = kScale + kScale * T(3 * 0.044715) * x * x;
    const T bend = s * (T(1) - s);  // 0 if the exponent is out of range
    return {x * s, s + (bend == T(0) ? T(0) : x * bend * slope_of_exponent)};
  }
};

template <>
struct ActivationFunction<Activation::kGeluErf> {
  template <class T>
  ATTUNE_INLINE static T gate(T x) {
    return T(0.5) * (T(1) + math::erf(x * T(0.70710678118654752)));
  }
  template <class T>
  ATTUNE_INLINE static T value(T x) {
    return x * gate(x);
  }
  template <class T>
  ATTUNE_INLINE static ValueAndSlope<T> both(T x) {
    const T g = gate(x);
    const T density = T(0.39894228040143268) * math::exp(T(-0.5) * x * x);  // 1 / sqrt(2 pi)
    return {x * g, g + x * density};
  }
};

template <>
struct ActivationFunction<Activation::kRelu> {
  template <class T>
  ATTUNE_INLINE static T value(T x) {
    return x < T(0) ? T(0) : x;
  }
  template <class T>
  ATTUNE_INLINE static ValueAndSlope<T> both(T x) {
    return {value(x), x > T(0) ? T(1) : T(0)};
  }
};

template <>
struct ActivationFunction<Activation::kTanh> {
  template <class T>
  ATTUNE_INLINE static T value(T x) {
    return math::tanh(x);
  }
  template <class T>
  ATTUNE_INLINE static ValueAndSlope<T> both(T x) {
    const T e = math::exp(T(-2) * std::fabs(x)), sum = T(1) + e;
    return {math::tanh(x), T(4) * e / (sum * sum)};  // 1 - tanh^2 would lose the small slopes
  }
};

/// Calls f.template operator()<kind>().
template <class F>
void dispatch_activation(Activation kind, F&& f) {
  switch (kind) {
    case Activation::kGeluTanh:
      return f.template operator()<Activation::kGeluTanh>();
    case Activation::kGeluErf:
      return f.template operator()<Activation::kGeluErf>();
    case Activation::kRelu:
      return f.template operator()<Activation::kRelu>();
    case Activation::kTanh:
      return f.template operator()<Activation::kTanh>();
  }
}

}  // namespace attune::kernels
