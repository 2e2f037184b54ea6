// The matrix product in all its forms against its formula (oracles/matmul.h). And a row of the result does not depend
// on the other rows: not a bit changes.
#include "kernels/cpu/gemm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernels/cpu/gemm_tile.h"
#include "tests/kernels/oracles/matmul.h"
#include "tests/kernels/tolerances.h"

namespace attune {
namespace {

using namespace kernels;

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
    return testing::oracle::matmul<T>({a.data(), lda, transpose_a}, {b.data(), ldb, transpose_b}, k, i, j);
  }
};

enum class Onto { kNothing, kC, kBias };

Problem<float> rounded(Problem<float> p) {
  for (auto* x : {&p.a, &p.b})
    for (float& value : *x) value = to_float(to_bfloat16(value));
  return p;
}

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
          const double bound = testing::product_bound(e.k) * std::numeric_limits<T>::epsilon();
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

// Every kernel this machine can run. At the highest level there may be several of bfloat16.
template <class T, class P>
struct NamedKernel {
  std::string name;
  const Kernel<T, P>& kernel;
  BFloat16Products products;
};

template <class T, class P>
std::vector<NamedKernel<T, P>> kernels_of_machine() {
  std::vector<NamedKernel<T, P>> out;
  const auto portable = BFloat16Products::kPortable;
  for (int i = 0; i <= static_cast<int>(cpu_level()); ++i)
    out.push_back({"level " + std::to_string(i), kernel_of<T, P>(static_cast<CpuLevel>(i)), portable});
  const BFloat16Products best = bfloat16_products(cpu_level());
  if (!std::is_same_v<P, BFloat16>) return out;
  for (const auto& [name, products] :
       {std::pair{"AVX512-BF16", BFloat16Products::kInstruction}, {"AMX", BFloat16Products::kAmx}})
    if (products <= best)  // a processor with AMX has the instruction
      out.push_back({name, kernel_of<T, P>(cpu_level(), products), products});
  return out;
}

// What a thread does before and after its tiles.
template <class T, class P>
class Tiles {
 public:
  explicit Tiles(const Kernel<T, P>& kernel) : kernel_(kernel) {
    if (kernel.begin != nullptr) kernel.begin();
  }
  ~Tiles() {
    if (kernel_.end != nullptr) kernel_.end();
  }

 private:
  const Kernel<T, P>& kernel_;
};

// A tile's strip of B: packed, with zeros to the end of the last step.
template <class T, class P>
std::vector<P> strip_of(const Kernel<T, P>& kernel, std::int64_t vectors, const T* x, std::int64_t stride_i,
                        std::int64_t stride_d, std::int64_t count, std::int64_t depth) {
  std::vector<P> out(static_cast<std::size_t>(vectors * kernel.lanes * kernel.whole_steps(depth)));
  kernel.pack_columns[vectors - 1](out.data(), x, stride_i, stride_d, count, depth);
  return out;
}

// Rows of A as a tile reads them in place: along k, whole steps of it.
template <class T, class P>
std::vector<P> rows_along_k(const Kernel<T, P>& kernel, const Problem<T>& p) {
  const std::int64_t depth = kernel.whole_steps(p.k);
  std::vector<P> out(static_cast<std::size_t>(kernel.rows * depth));
  if (p.transpose_a) {
    kernel.turn_rows(out.data(), depth, p.a.data(), p.lda, p.m, p.k);
    return out;
  }
  for (std::int64_t i = 0; i < p.m; ++i)
    for (std::int64_t d = 0; d < p.k; ++d) {
      const T value = p.a[static_cast<std::size_t>(i * p.lda + d)];
      P& to = out[static_cast<std::size_t>(i * depth + d)];
      if constexpr (std::is_same_v<P, BFloat16>)
        to = to_bfloat16(value);
      else
        to = value;
    }
  return out;
}

// A tile of every width, and the packing of full and partial strips; the rows of A are packed as columns, or lie along k.
template <class T, class P>
void check_tile(const Kernel<T, P>& kernel, int vectors, std::int64_t depth, bool along_rows, std::int64_t missing,
                bool along_k) {
  const std::int64_t width = vectors * kernel.lanes, packed_depth = kernel.whole_steps(depth);
  Problem<T> p(kernel.rows - missing, width - missing, depth, !along_rows, along_rows);
  if constexpr (std::is_same_v<P, BFloat16>) p = rounded(p);
  std::vector<P> a(static_cast<std::size_t>(kernel.rows * packed_depth));
  std::vector<T> c(static_cast<std::size_t>(kernel.rows * width), T(-1)),
      base(static_cast<std::size_t>(width), T(0.25));
  if (along_k)
    a = rows_along_k(kernel, p);
  else
    kernel.pack_rows(a.data(), p.a.data(), along_rows ? p.lda : 1, along_rows ? 1 : p.lda, p.m, depth);
  const std::vector<P> b =
      strip_of(kernel, vectors, p.b.data(), along_rows ? p.ldb : 1, along_rows ? 1 : p.ldb, p.n, depth);
  const Tiles<T, P> tiles(kernel);
  (along_k ? kernel.rows_of_a : kernel.columns_of_a)[vectors - 1]({.c = c.data(),
                                                                   .ldc = width,
                                                                   .a = a.data(),
                                                                   .lda = along_k ? packed_depth : kernel.rows,
                                                                   .b = b.data(),
                                                                   .depth = depth,
                                                                   .alpha = T(0.75),
                                                                   .base = base.data(),
                                                                   .ldbase = 0});
  for (std::int64_t i = 0; i < kernel.rows; ++i)
    for (std::int64_t j = 0; j < width; ++j) {
      const double expected = 0.25 + (i < p.m && j < p.n ? 0.75 * static_cast<double>(p.exact(i, j)) : 0);
      ASSERT_NEAR(c[static_cast<std::size_t>(i * width + j)], expected,
                  testing::product_bound(depth) * std::numeric_limits<T>::epsilon())
          << kernel.rows << "x" << width << " depth " << depth << " at " << i << "," << j;
    }
}

template <class T, class P>
void check_tiles() {
  for (const auto& [name, kernel, products] : kernels_of_machine<T, P>()) {
    SCOPED_TRACE(name);
    const bool always_along_k = kernel.turn_rows != nullptr;
    ASSERT_LE(kernel.rows * kernel.columns(), kMaxTileElements);
    ASSERT_EQ(kMaxTaskRows % kernel.rows, 0);
    for (int vectors = 1; vectors <= kernel.vectors; ++vectors)
      for (std::int64_t depth : {1, 2, 4, 7, 16, 17, 33, 38, 512})  // some of them with a rest after whole blocks
        for (bool along_rows : {false, true})
          for (std::int64_t missing : {0, 1}) {
            if (!always_along_k) check_tile(kernel, vectors, depth, along_rows, missing, false);
            if (always_along_k || (along_rows && missing == 0))
              check_tile(kernel, vectors, depth, along_rows, missing, true);
          }
  }
}

TEST(GemmTest, EveryTile) {
  check_tiles<float, float>();
  check_tiles<double, double>();
}

TEST(GemmTest, EveryTileOfBFloat16) {
  check_tiles<float, BFloat16>();
}

// The tile of every level, with the instruction and without it, computes the same sums. AMX adds in another order.
TEST(GemmTest, BFloat16TilesAgree) {
  const std::int64_t depth = 301, width = 16;
  const Problem<float> p(8, width, depth, false, true);
  std::vector<float> first;
  for (const auto& [name, kernel, products] : kernels_of_machine<float, BFloat16>()) {
    if (products == BFloat16Products::kAmx) continue;
    const std::int64_t vectors = std::min(width / kernel.lanes, kernel.vectors), columns = vectors * kernel.lanes;
    std::vector<float> c(static_cast<std::size_t>(6 * width));
    std::vector<BFloat16> a(static_cast<std::size_t>(kernel.rows * (depth + 1))),
        b(static_cast<std::size_t>(columns * (depth + 1)));
    kernel.pack_rows(a.data(), p.a.data(), p.lda, 1, kernel.rows, depth);
    std::vector<float> out(static_cast<std::size_t>(kernel.rows * columns));
    for (std::int64_t j = 0; j < width; j += columns) {
      kernel.pack_columns[vectors - 1](b.data(), p.b.data() + j * p.ldb, p.ldb, 1, columns, depth);
      kernel.columns_of_a[vectors - 1](
          {.c = out.data(), .ldc = columns, .a = a.data(), .lda = kernel.rows, .b = b.data(), .depth = depth});
      for (std::int64_t r = 0; r < 6; ++r) std::copy_n(out.data() + r * columns, columns, c.data() + r * width + j);
    }
    if (first.empty()) first = c;
    EXPECT_EQ(c, first) << name;
  }
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

TEST(GemmTest, BFloat16TilesOfSpecialNumbers) {
  for (const auto& named : kernels_of_machine<float, BFloat16>()) {
    SCOPED_TRACE(named.name);
    const Kernel<float, BFloat16>& kernel = named.kernel;
    const auto product = [&](const std::vector<float>& x, const std::vector<float>& y) {
      const auto depth = std::ssize(x);
      // All rows of A are x, all columns of B are y.
      const bool along_k = kernel.turn_rows != nullptr;
      std::vector<BFloat16> a(static_cast<std::size_t>(kernel.rows * kernel.whole_steps(depth)));
      if (along_k)
        for (std::int64_t i = 0; i < kernel.rows; ++i)
          std::ranges::transform(x, a.begin() + i * kernel.whole_steps(depth), to_bfloat16);
      else
        kernel.pack_rows(a.data(), x.data(), 0, 1, kernel.rows, depth);
      const std::vector<BFloat16> b = strip_of(kernel, kernel.vectors, y.data(), 0, 1, kernel.columns(), depth);
      std::vector<float> c(static_cast<std::size_t>(kernel.rows * kernel.columns()));
      const Tiles<float, BFloat16> tiles(kernel);
      (along_k ? kernel.rows_of_a
               : kernel.columns_of_a)[kernel.vectors - 1]({.c = c.data(),
                                                           .ldc = kernel.columns(),
                                                           .a = a.data(),
                                                           .lda = along_k ? kernel.whole_steps(depth) : kernel.rows,
                                                           .b = b.data(),
                                                           .depth = depth});
      for (float value : c) EXPECT_TRUE(value == c[0] || (std::isnan(value) && std::isnan(c[0]))) << value;
      return c[0];
    };
    check_special_numbers(product, named.products != BFloat16Products::kPortable);
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
}  // namespace attune
