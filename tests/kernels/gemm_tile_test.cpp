// The register tiles of the matrix product, of every instruction set that this machine has: packing, full and partial
// strips, special numbers.
#include "kernels/cpu/gemm_tile.h"

#include <string>
#include <type_traits>
#include <utility>

#include "tests/kernels/gemm_problem.h"

namespace attune::testing {
namespace {

using namespace kernels;

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
    kernel.transpose_rows(out.data(), depth, p.a.data(), p.lda, p.m, p.k);
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
                  product_bound(depth) * std::numeric_limits<T>::epsilon())
          << kernel.rows << "x" << width << " depth " << depth << " at " << i << "," << j;
    }
}

template <class T, class P>
void check_tiles() {
  for (const auto& [name, kernel, products] : kernels_of_machine<T, P>()) {
    SCOPED_TRACE(name);
    const bool always_along_k = kernel.transpose_rows != nullptr;
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

TEST(GemmTileTest, EveryTile) {
  check_tiles<float, float>();
  check_tiles<double, double>();
}

TEST(GemmTileTest, EveryTileOfBFloat16) {
  check_tiles<float, BFloat16>();
}

// The tile of every level, with the instruction and without it, computes the same sums. AMX adds in another order.
TEST(GemmTileTest, BFloat16TilesAgree) {
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

TEST(GemmTileTest, BFloat16TilesOfSpecialNumbers) {
  for (const auto& named : kernels_of_machine<float, BFloat16>()) {
    SCOPED_TRACE(named.name);
    const Kernel<float, BFloat16>& kernel = named.kernel;
    const auto product = [&](const std::vector<float>& x, const std::vector<float>& y) {
      const auto depth = std::ssize(x);
      // All rows of A are x, all columns of B are y.
      const bool along_k = kernel.transpose_rows != nullptr;
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

}  // namespace
}  // namespace attune::testing
