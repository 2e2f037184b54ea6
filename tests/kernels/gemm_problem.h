// A matrix product with its operands, and numbers that are special, for gemm_test.cpp and gemm_tile_test.cpp.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/gemm_tile.h"
#include "tests/kernels/oracles/matmul.h"
#include "tests/kernels/tolerances.h"

namespace attune::testing {

using kernels::Gemm;

template <class T>
struct Problem {
  std::int64_t m, n, k;
  bool transpose_a, transpose_b;
  std::int64_t lda, ldb, ldc;
  std::vector<T> a, b, c;

  Problem(std::int64_t m_, std::int64_t n_, std::int64_t k_, bool ta, bool tb)
      : m(m_),
        n(n_),
        k(k_),
        transpose_a(ta),
        transpose_b(tb),
        lda((ta ? m : k) + 3),
        ldb((tb ? k : n) + 2),
        ldc(n + 5),
        a(static_cast<std::size_t>((ta ? k : m) * lda)),
        b(static_cast<std::size_t>((tb ? n : k) * ldb)),
        c(static_cast<std::size_t>(m * ldc)) {
    std::mt19937 engine(7);
    std::uniform_real_distribution<T> uniform(-1, 1);
    for (auto* x : {&a, &b, &c})
      for (T& value : *x) value = uniform(engine);
  }
  Gemm<T> call(T* out, T alpha) const {
    return {.c = out,
            .ldc = ldc,
            .a = a.data(),
            .lda = lda,
            .transpose_a = transpose_a,
            .b = b.data(),
            .ldb = ldb,
            .transpose_b = transpose_b,
            .m = m,
            .n = n,
            .k = k,
            .alpha = alpha};
  }
  long double exact(std::int64_t i, std::int64_t j) const {
    return oracle::matmul<T>({a.data(), lda, transpose_a}, {b.data(), ldb, transpose_b}, k, i, j);
  }
};

inline Problem<float> rounded(Problem<float> p) {
  for (auto* x : {&p.a, &p.b})
    for (float& value : *x) value = to_float(to_bfloat16(value));
  return p;
}

// What is special in float32 is special in bfloat16 too. `product` returns the sum over k of a[k] b[k].
template <class Function>
void check_special_numbers(Function&& product, bool tiny_is_zero) {
  using Numbers = std::vector<float>;
  constexpr float kInfinity = std::numeric_limits<float>::infinity(), kMax = std::numeric_limits<float>::max();
  const float low_nan = std::bit_cast<float>(0x7F800001u);  // nothing of it is in the upper half but the exponent
  for (const float nan : {std::numeric_limits<float>::quiet_NaN(), low_nan}) {
    EXPECT_TRUE(std::isnan(product(Numbers{1, nan, 2}, Numbers{1, 1, 1})));
    EXPECT_TRUE(std::isnan(product(Numbers{1, 1, 2}, Numbers{nan, 0, 1})));
  }
  EXPECT_EQ(product(Numbers{1, kInfinity, 2}, Numbers{1, 1, 1}), kInfinity);
  EXPECT_EQ(product(Numbers{1, 2, 3}, Numbers{1, 1, -kInfinity}), -kInfinity);
  EXPECT_TRUE(std::isnan(product(Numbers{kInfinity, 1, 1}, Numbers{0, 1, 1})));
  EXPECT_TRUE(std::isnan(product(Numbers{kInfinity, 1, kInfinity}, Numbers{1, 1, -1})));
  // Half a unit of bfloat16 above its largest number, and just below that.
  EXPECT_EQ(product(Numbers{kMax}, Numbers{1}), kInfinity);
  EXPECT_EQ(product(Numbers{0x1.FEFFFEp127f}, Numbers{1}), 0x1.FEp127f);
  EXPECT_EQ(product(Numbers{0x1p127f, 0x1p127f}, Numbers{1, 1}), kInfinity);  // the sum overflows
  // Subnormal operands and sums.
  EXPECT_EQ(product(Numbers{0x1p-126f}, Numbers{0x1p100f}), 0x1p-26f);
  EXPECT_EQ(product(Numbers{1, 0x1p-127f}, Numbers{0, 0x1p100f}), tiny_is_zero ? 0 : 0x1p-27f);
  EXPECT_EQ(product(Numbers{0x1p-70f}, Numbers{0x1p-70f}), tiny_is_zero ? 0 : 0x1p-140f);
  EXPECT_EQ(product(Numbers{0x1.02p-126f, -0x1p-126f}, Numbers{1, 1}), tiny_is_zero ? 0 : 0x1p-133f);
}

}  // namespace attune::testing
