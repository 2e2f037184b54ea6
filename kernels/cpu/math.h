// exp, tanh and erf that the compiler can turn into vector code: no branches, no calls, no tables. Float uses attune's
// own polynomials, within 4 units in the last place over the whole range (tests/kernels/math_test.cpp); double is libm.
// NaN stays NaN.
//
//   exp(x)   = 2^n e^r, n = round(x / ln 2), e^r = 1 + r + r^2 q(r)
//   tanh(x)  = t / (t + 2), t = e^2x - 1 without cancellation from the same r and q
//   erf(x)   = x + x p(x^2) up to 1, then 1 - exp(-s(x))
//
// q, p and s are minimax fits (reweighted least squares on Chebyshev nodes) of (e^r - 1 - r) / r^2 on |r| <= ln 2 / 2, of
// erf(x) / x - 1 in x^2 on [0, 1], and of -log(erfc x) on [1, 4] with weight erfc / erf.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "kernels/cpu/simd.h"

namespace attune::math {

/// c[0] + c[1] x + ...
template <int n>
ATTUNE_INLINE float polynomial(const float (&c)[n], float x) {
  float y = c[n - 1];
  for (int i = n - 2; i >= 0; --i) y = y * x + c[i];
  return y;
}

/// x = n ln 2 + r with |r| <= ln 2 / 2, for |x| below 2^21.
struct Reduced {
  float r;
  std::int32_t n;
};
ATTUNE_INLINE Reduced reduce_ln2(float x) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer that ends up in the low bits
  const float shifted = x * 1.44269504f + kRound;
  const float n = shifted - kRound;
  const float r = (x - n * 0.693145752f) - n * 1.42860677e-6f;  // ln 2 in two parts, the first exact in products with n
  return {r, std::bit_cast<std::int32_t>(shifted) - std::bit_cast<std::int32_t>(kRound)};
}

/// 2^n for n in [-126, 127].
ATTUNE_INLINE float power_of_two(std::int32_t n) {
  return std::bit_cast<float>((n + 127) << 23);
}

/// (e^r - 1 - r) / r^2.
ATTUNE_INLINE float exp_tail(float r) {
  constexpr float kQ[] = {0.50000001f, 0.166665172f, 0.0416662007f, 0.00836908828f, 0.00139508335f};
  return polynomial(kQ, r);
}

ATTUNE_INLINE float exp(float x) {
  x = x > 89.0f ? 89.0f : x;      // overflows to infinity
  x = x < -104.0f ? -104.0f : x;  // underflows to zero
  const Reduced red = reduce_ln2(x);
  const float e = 1.0f + (red.r + red.r * red.r * exp_tail(red.r));
  const std::int32_t half = red.n >> 1;  // two factors reach the subnormal numbers and infinity
  return e * power_of_two(half) * power_of_two(red.n - half);
}

ATTUNE_INLINE float tanh(float x) {
  float y = 2.0f * x;
  y = y > 20.0f ? 20.0f : y;
  y = y < -20.0f ? -20.0f : y;
  const Reduced red = reduce_ln2(y);
  const float scale = power_of_two(red.n);
  const float t = scale * (red.r + red.r * red.r * exp_tail(red.r)) + (scale - 1.0f);
  return t / (t + 2.0f);
}

ATTUNE_INLINE float erf(float x) {
  constexpr float kP[] = {0.128379166f,   -0.376126271f,    0.112836002f,   -0.0268544446f,
                          0.00518953534f, -0.000802084128f, 7.88911953e-05f};
  constexpr float kS[] = {0.000341512574f, 1.12708923f,    0.638144758f,    0.103106821f,
                          -0.021838097f,   0.00294766681f, -0.000186380086f};
  float a = std::fabs(x);
  a = a > 4.0f ? 4.0f : a;
  const float near = x + x * polynomial(kP, a * a);
  const float far = std::copysign(1.0f - exp(-polynomial(kS, a)), x);
  return a <= 1.0f ? near : far;
}

ATTUNE_INLINE double exp(double x) {
  return std::exp(x);
}
ATTUNE_INLINE double tanh(double x) {
  return std::tanh(x);
}
ATTUNE_INLINE double erf(double x) {
  return std::erf(x);
}

}  // namespace attune::math
