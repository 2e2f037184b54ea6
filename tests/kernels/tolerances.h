// Every tolerance of the op tests, each with its reason.
//
// An element passes if |value - reference| <= eps * (relative * |reference| + typical * rms), eps the machine epsilon of the
// tested type and rms the root mean square of the whole reference tensor: a sum may cancel to a small number, but its error
// has the size of what was summed.
#pragma once

#include <cstdint>

namespace attune::testing {

struct Tolerance {
  double relative;
  double typical;
};

/// Copies and gathers: not a single rounding.
inline constexpr Tolerance kExact{0, 0};
/// A handful of roundings per element, exp, tanh and erf of a few ulp among them, or their arguments rounded once.
inline constexpr Tolerance kElementwise{16, 4};
/// Sums over a row or a column, rounded differently by every order of summation; errors grow like the root of the length, as
/// does rms.
inline constexpr Tolerance kReduction{16, 16};
/// Softmax of a product, and its gradient: an error in a score is an error relative to a probability, and dS subtracts
/// numbers of like size.
inline constexpr Tolerance kAttention{32, 64};

/// A product of two rows of k numbers uniform in [-1, 1], in units of eps. Partial sums are of size sqrt(k) / 3 at most; k
/// roundings of half a unit each of that, of random sign, leave k / 6; six times that is never seen.
constexpr double product_bound(std::int64_t k) {
  return static_cast<double>(k) + 4;
}

/// bfloat16 in and out, float32 between: half an epsilon for the rounding of the result, the rest for what is stored between
/// forward and backward, rounded as well. What is exact stays so. Attention also rounds P and dS for the tensor cores and takes
/// delta from the rounded output: a gradient is off by about an epsilon of its rms, and the worst of 10^5 by four; that this
/// is no more than twice the error of a naive bfloat16 run is tested too (attention_error_test).
constexpr Tolerance in_bfloat16(Tolerance tolerance) {
  if (tolerance.relative == 0) return tolerance;
  return tolerance.relative == kAttention.relative ? Tolerance{1, 4} : Tolerance{1, 1};
}

/// Numerical derivatives in float64: fourth-order central differences at step 1e-3 leave about 1e-12 of truncation and 1e-13 of
/// rounding; the requirement is 1e-6 relative to the larger of the derivative and the rms of the gradient.
inline constexpr double kGradientStep = 1e-3;
inline constexpr double kGradientRelative = 1e-6;

/// Our own exp, tanh and erf against float64, in units in the last place of float32.
inline constexpr double kMathUlps = 4;

}  // namespace attune::testing
