// Random numbers and comparisons of the tests that compare ops with their formula.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <random>

#include "base/dtype.h"
#include "tests/kernels/oracles/numbers.h"

namespace attune::testing {

using oracle::Numbers;
inline constexpr DType kDouble = DType::kFloat64;
inline constexpr double kLastBits = 1e-14;  // relative to numbers of about 1

inline void expect_near(const Numbers& values, const Numbers& expected, double bound) {
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], expected[i], bound) << "element " << i;
}

/// In [-2, 2), others at every call.
inline Numbers random_numbers(std::size_t n) {
  static std::mt19937 engine(5);
  std::uniform_real_distribution<double> uniform(-2, 2);
  Numbers out(n);
  for (double& x : out) x = uniform(engine);
  return out;
}

}  // namespace attune::testing
