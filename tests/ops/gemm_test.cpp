// The matrix product in all its forms, on the library and on our own loops, against three nested loops in long double.
#include "kernels/cpu/gemm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "tests/ops/tolerances.h"

namespace attune {
namespace {

template <class T>
struct Problem {
  std::int64_t m, n, k;
  bool transpose_a, transpose_b;
  std::int64_t lda, ldb, ldc;
  std::vector<T> a, b, c;

  Problem(std::int64_t m_, std::int64_t n_, std::int64_t k_, bool ta, bool tb)
      : m(m_), n(n_), k(k_), transpose_a(ta), transpose_b(tb), lda((ta ? m : k) + 3), ldb((tb ? k : n) + 2), ldc(n + 5),
        a(static_cast<std::size_t>((ta ? k : m) * lda)), b(static_cast<std::size_t>((tb ? n : k) * ldb)), c(static_cast<std::size_t>(m * ldc)) {
    std::mt19937 engine(7);
    std::uniform_real_distribution<T> uniform(-1, 1);
    for (auto* x : {&a, &b, &c})
      for (T& value : *x) value = uniform(engine);
  }
  Gemm<T> call(T* out, T alpha, T beta) const {
    return {.c = out, .ldc = ldc, .a = a.data(), .lda = lda, .transpose_a = transpose_a, .b = b.data(), .ldb = ldb,
            .transpose_b = transpose_b, .m = m, .n = n, .k = k, .alpha = alpha, .beta = beta};
  }
  long double exact(std::int64_t i, std::int64_t j) const {
    long double sum = 0;
    for (std::int64_t d = 0; d < k; ++d)
      sum += static_cast<long double>(a[static_cast<std::size_t>(transpose_a ? d * lda + i : i * lda + d)]) *
             b[static_cast<std::size_t>(transpose_b ? j * ldb + d : d * ldb + j)];
    return sum;
  }
};

template <class T>
void check(void (*product)(const Gemm<T>&), const char* name) {
  struct Extents {
    std::int64_t m, n, k;
  };
  for (Extents e : {Extents{1, 1, 1}, {5, 17, 3}, {6, 16, 256}, {97, 131, 257}, {200, 1030, 37}, {3, 4, 0}, {130, 70, 600}})
    for (bool ta : {false, true})
      for (bool tb : {false, true})
        for (T beta : {T(0), T(1), T(0.5)}) {
          const Problem<T> p(e.m, e.n, e.k, ta, tb);
          std::vector<T> c = p.c;
          if (beta == 0) std::fill(c.begin(), c.end(), std::numeric_limits<T>::quiet_NaN());
          const std::vector<T> before = c;
          product(p.call(c.data(), T(0.75), beta));
          const double bound = testing::product_bound(e.k) * std::numeric_limits<T>::epsilon();
          for (std::int64_t i = 0; i < e.m; ++i)
            for (std::int64_t j = 0; j < p.ldc; ++j) {
              const auto at = static_cast<std::size_t>(i * p.ldc + j);
              if (j >= e.n) {
                ASSERT_TRUE(c[at] == before[at] || std::isnan(c[at])) << name << ": written between the rows";
                continue;
              }
              const long double expected = 0.75L * p.exact(i, j) + (beta == 0 ? 0 : static_cast<long double>(beta) * before[at]);
              ASSERT_NEAR(c[at], static_cast<double>(expected), bound) << name << " " << e.m << "x" << e.n << "x" << e.k << " at " << i << "," << j;
            }
        }
}

TEST(GemmTest, Library) {
  check<float>(gemm<float>, "gemm");
  check<double>(gemm<double>, "gemm");
}
TEST(GemmTest, OwnLoops) {
  check<float>(gemm_blocked<float>, "gemm_blocked");
  check<double>(gemm_blocked<double>, "gemm_blocked");
}
TEST(GemmTest, Parallel) {
  check<float>(parallel_gemm<float>, "parallel_gemm");
  check<double>(parallel_gemm<double>, "parallel_gemm");
}

}  // namespace
}  // namespace attune
