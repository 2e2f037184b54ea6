// The matrix product in all its forms against its formula (oracles/matmul.h). And a row of the result does not depend
// on the other rows: not a bit changes.
#include "kernels/cpu/gemm.h"

#include <thread>

#include "tests/kernels/gemm_problem.h"

namespace attune::testing {
namespace {

using namespace kernels;

enum class Onto { kNothing, kC, kBias };

template <class T>
Problem<T> as_it_is(Problem<T> p) {
  return p;
}

template <class T>
void check(void (*product)(const Gemm<T>&), const char* name, Problem<T> (*operands)(Problem<T>) = as_it_is<T>) {
  struct Sizes {
    std::int64_t m, n, k;
  };
  for (Sizes e : {Sizes{1, 1, 1},
                  {5, 17, 3},
                  {8, 48, 512},
                  {97, 131, 257},
                  {200, 1030, 37},
                  {3, 4, 0},
                  {130, 70, 1100},
                  {7, 3, 40}})
    for (bool ta : {false, true})
      for (bool tb : {false, true})
        for (Onto onto : {Onto::kNothing, Onto::kC, Onto::kBias}) {
          const Problem<T> p = operands(Problem<T>(e.m, e.n, e.k, ta, tb));
          std::vector<T> c = p.c;
          if (onto != Onto::kC) std::fill(c.begin(), c.end(), std::numeric_limits<T>::quiet_NaN());
          const std::vector<T> before = c;
          Gemm<T> g = p.call(c.data(), T(0.75));
          g.accumulate = onto == Onto::kC;
          if (onto == Onto::kBias) g.bias = p.c.data();
          product(g);
          const double bound = product_bound(e.k) * std::numeric_limits<T>::epsilon();
          for (std::int64_t i = 0; i < e.m; ++i)
            for (std::int64_t j = 0; j < p.ldc; ++j) {
              const auto at = static_cast<std::size_t>(i * p.ldc + j);
              if (j >= e.n) {
                ASSERT_TRUE(c[at] == before[at] || std::isnan(c[at])) << name << ": written between the rows";
                continue;
              }
              const long double start =
                  onto == Onto::kNothing ? 0 : p.c[onto == Onto::kC ? at : static_cast<std::size_t>(j)];
              ASSERT_NEAR(c[at], static_cast<double>(start + 0.75L * p.exact(i, j)), bound)
                  << name << " " << e.m << "x" << e.n << "x" << e.k << " at " << i << "," << j;
            }
        }
}

TEST(GemmTest, OnOneThread) {
  check<float>(gemm<float>, "gemm");
  check<double>(gemm<double>, "gemm");
}
TEST(GemmTest, Parallel) {
  check<float>(parallel_gemm<float>, "parallel_gemm");
  check<double>(parallel_gemm<double>, "parallel_gemm");
}

TEST(GemmTest, BFloat16) {
  check<float>(bfloat16_gemm, "bfloat16_gemm", rounded);
}

TEST(GemmTest, BFloat16RoundsBothOperands) {
  for (bool ta : {false, true})
    for (bool tb : {false, true}) {
      const Problem<float> p(97, 131, 257, ta, tb), short_p = rounded(p);
      std::vector<float> c = p.c, expected = p.c;
      bfloat16_gemm(p.call(c.data(), 0.75f));
      bfloat16_gemm(short_p.call(expected.data(), 0.75f));
      EXPECT_EQ(c, expected);
      gemm(p.call(expected.data(), 0.75f));
      EXPECT_NE(c, expected);
    }
}

TEST(GemmTest, BFloat16OfSpecialNumbers) {
  const std::int64_t m = 9, n = 50;  // whole tiles and partial ones
  for (bool ta : {false, true})
    for (bool tb : {false, true}) {
      const auto product = [&](const std::vector<float>& x, const std::vector<float>& y) {
        const auto k = std::ssize(x);
        std::vector<float> a, b, c(static_cast<std::size_t>(m * n));
        for (std::int64_t i = 0; i < m * k; ++i) a.push_back(x[static_cast<std::size_t>(ta ? i / m : i % k)]);
        for (std::int64_t i = 0; i < n * k; ++i) b.push_back(y[static_cast<std::size_t>(tb ? i % k : i / n)]);
        bfloat16_gemm({.c = c.data(),
                       .ldc = n,
                       .a = a.data(),
                       .lda = ta ? m : k,
                       .transpose_a = ta,
                       .b = b.data(),
                       .ldb = tb ? k : n,
                       .transpose_b = tb,
                       .m = m,
                       .n = n,
                       .k = k});
        for (float value : c) EXPECT_TRUE(value == c[0] || (std::isnan(value) && std::isnan(c[0]))) << value;
        return c[0];
      };
      check_special_numbers(product, bfloat16_products(cpu_level()) != BFloat16Products::kPortable);
    }
}

// Operands are packed into memory of earlier products, and completed with zeros.
TEST(GemmTest, BFloat16ReadsNothingOfEarlierProducts) {
  for (bool ta : {false, true})
    for (bool tb : {false, true})
      for (std::int64_t k : {1, 2, 7, 37, 510}) {
        Problem<float> earlier(70, 100, 512, ta, tb);
        for (auto* x : {&earlier.a, &earlier.b}) std::ranges::fill(*x, std::numeric_limits<float>::quiet_NaN());
        std::vector<float> c = earlier.c;
        bfloat16_gemm(earlier.call(c.data(), 1));
        const Problem<float> p(70, 100, k, ta, tb);
        c = p.c;
        bfloat16_gemm(p.call(c.data(), 1));
        EXPECT_TRUE(std::ranges::all_of(c, [](float x) { return std::isfinite(x); })) << ta << tb << " " << k;
      }
}

// On a thread that has computed nothing, where no operand has memory.
TEST(GemmTest, BFloat16SumOfNothingIsZero) {
  std::thread([] {
    for (bool ta : {false, true}) {
      const Problem<float> p(40, 40, 0, ta, true);
      std::vector<float> c(p.c.size(), 1.0f);
      bfloat16_gemm(p.call(c.data(), 1));
      EXPECT_EQ(c[0], 0);
    }
  }).join();
}

TEST(GemmTest, SizesChangeNoBitOfBFloat16) {
  for (bool ta : {false, true})
    for (bool tb : {false, true}) {
      const Problem<float> p(131, 150, 700, ta, tb);
      std::vector<float> all = p.c, one(static_cast<std::size_t>(p.ldc));
      bfloat16_gemm(p.call(all.data(), 0.75f));
      for (std::int64_t i : {0, 77, 130}) {
        Gemm<float> g = p.call(one.data(), 0.75f);
        g.a += ta ? i : i * p.lda;
        g.m = 1;
        bfloat16_gemm(g);
        for (std::int64_t j = 0; j < p.n; ++j)
          EXPECT_EQ(one[static_cast<std::size_t>(j)], all[static_cast<std::size_t>(i * p.ldc + j)]) << i << "," << j;
      }
    }
}

// A row of C is the same in every product: alone or with other rows, on one thread or on all.
TEST(GemmTest, SizesChangeNoBit) {
  for (bool ta : {false, true})
    for (bool tb : {false, true}) {
      const Problem<float> p(131, 150, 700, ta, tb);
      std::vector<float> all = p.c, one = p.c;
      parallel_gemm(p.call(all.data(), 0.75f));
      gemm(p.call(one.data(), 0.75f));
      EXPECT_EQ(one, all);
      for (std::int64_t i : {0, 77, 130})
        for (std::int64_t j : {0, 101}) {
          std::vector<float> part(49);
          Gemm<float> g = p.call(part.data(), 0.75f);
          g.a += ta ? i : i * p.lda;
          g.b += tb ? j * p.ldb : j;
          g.m = 1;
          g.n = 49;
          gemm(g);
          for (std::int64_t c = 0; c < 49; ++c)
            EXPECT_EQ(part[static_cast<std::size_t>(c)], all[static_cast<std::size_t>(i * p.ldc + j + c)])
                << i << "," << j + c;
        }
    }
}

}  // namespace
}  // namespace attune::testing
