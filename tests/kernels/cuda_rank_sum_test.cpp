// A sum over the ranks has the bits of float32 additions in their order, on the CPU and on the CUDA backend.
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "base/bfloat16.h"
#include "kernels/cuda/context.h"
#include "kernels/cuda/memory.h"
#include "kernels/rank_sum.h"

namespace attune::testing {
namespace {

using namespace kernels;

float value_of(float x) {
  return x;
}
float value_of(BFloat16 x) {
  return to_float(x);
}
template <class T>
T rounded(float x) {
  if constexpr (sizeof(T) == sizeof(float))
    return x;
  else
    return to_bfloat16(x);
}

// Numbers of very different sizes: another order gives other sums.
template <class T>
std::vector<T> numbers(std::size_t n) {
  std::mt19937 random(11);
  std::vector<T> out(n);
  for (T& value : out) value = rounded<T>(static_cast<float>(random()) * (random() % 2 == 0 ? 1.0f : -1e-3f));
  return out;
}

template <class T>
void expect_in_order(std::size_t ranks, std::size_t n) {
  const std::vector<T> x = numbers<T>(ranks * n);
  std::vector<T> expected, y(n);
  for (std::size_t i = 0; i < n; ++i) {
    float sum = value_of(x[i]);
    for (std::size_t r = 1; r < ranks; ++r) sum += value_of(x[r * n + i]);
    expected.push_back(rounded<T>(sum));
  }
  const CudaContext context;
  const cuda::Buffer in(x.size() * sizeof(T)), out(n * sizeof(T));
  cuda::copy_to_device(in.data(), x.data(), in.bytes(), context.stream());
  RankSum args{.y = out.data(),
               .x = in.data(),
               .ranks = static_cast<std::int64_t>(ranks),
               .n = static_cast<std::int64_t>(n),
               .dtype = dtype_of<T>::value};
  rank_sum(context, args);
  cuda::copy_to_host(y.data(), out.data(), out.bytes(), context.stream());
  context.stream().synchronize();
  for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(value_of(y[i]), value_of(expected[i])) << i;
  if constexpr (sizeof(T) == sizeof(float)) {
    args.y = y.data(), args.x = x.data();
    rank_sum(CpuContext{}, args);
    EXPECT_EQ(y, expected);
  }
}

TEST(RankSum, AddsInTheOrderOfRanks) {
  for (const std::size_t ranks : {1, 2, 3, 8})
    for (const std::size_t n : {1, 7, 64, 1000}) {
      expect_in_order<float>(ranks, n);
      expect_in_order<BFloat16>(ranks, n);
    }
}

}  // namespace
}  // namespace attune::testing
