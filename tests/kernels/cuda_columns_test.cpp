// Sums over the rows of several matrices in one launch, and the call that leaves such sums to its caller.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <deque>
#include <vector>

#include "base/bfloat16.h"
#include "kernels/cuda/columns.h"
#include "kernels/cuda/context.h"
#include "kernels/cuda/device_info.h"
#include "kernels/layernorm.h"
#include "tests/kernels/cuda_backend.h"
#include "tests/kernels/device_array.h"
#include "tests/support/on_device.h"

namespace attune::testing {
namespace {

using namespace kernels;

class CudaColumns : public OnDevice {};

const CudaContext& context_of(const CudaBackend& backend) {
  return *std::get<const CudaContext*>(backend.context());
}

// Values whose sums are rounded.
template <class T>
std::vector<T> values(std::int64_t n, int seed) {
  std::vector<T> out(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < out.size(); ++i) {
    const float x = std::sin(static_cast<float>(i) * 0.7f + static_cast<float>(seed));
    if constexpr (sizeof(T) == sizeof(float))
      out[i] = x;
    else
      out[i] = to_bfloat16(x);
  }
  return out;
}

struct Size {
  std::int64_t rows, channels;
  bool second;
  GradMode mode;
};

// The sums of matrices of these sizes, `together` in a call.
template <class T>
std::vector<std::vector<T>> sums_of(const std::vector<Size>& sizes, bool together) {
  CudaBackend backend;
  std::deque<DeviceArray<T>> xs, firsts, seconds;
  std::vector<cuda::ColumnSum> sums;
  for (const auto& [rows, channels, second, mode] : sizes) {
    const auto seed = static_cast<int>(xs.size());
    xs.emplace_back(backend, values<T>(rows * channels * (second ? 2 : 1), seed));
    firsts.emplace_back(backend, values<T>(channels, seed + 1));
    seconds.emplace_back(backend, values<T>(channels, seed + 2));
  }
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const auto& [rows, channels, second, mode] = sizes[i];
    sums.push_back({.out = {firsts[i].data(), mode},
                    .second = second ? GradOut{seconds[i].data(), mode} : GradOut{},
                    .x = xs[i].data(),
                    .rows = rows,
                    .channels = channels,
                    .row_stride = channels * (second ? 2 : 1),
                    .dtype = sizeof(T) == sizeof(float) ? DType::kFloat32 : DType::kBFloat16});
  }
  if (together) {
    cuda::sum_columns(context_of(backend), sums);
  } else {
    for (const cuda::ColumnSum& sum : sums) cuda::sum_columns(context_of(backend), {&sum, 1});
  }
  std::vector<std::vector<T>> out;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    out.push_back(firsts[i].values());
    if (sizes[i].second) out.push_back(seconds[i].values());
  }
  return out;
}

// More than a launch can do, with and without vectors, of all shapes.
const std::vector<Size> kSizes = {
    {300, 64, false, GradMode::kWrite}, {1, 8, true, GradMode::kAccumulate},   {2100, 40, false, GradMode::kAccumulate},
    {7, 3, true, GradMode::kWrite},     {70, 128, true, GradMode::kWrite},     {33, 1, false, GradMode::kWrite},
    {64, 16, false, GradMode::kWrite},  {65, 33, true, GradMode::kAccumulate}, {129, 24, false, GradMode::kWrite},
    {12, 70, false, GradMode::kWrite},  {5, 4, true, GradMode::kWrite}};

template <class T>
void expect_the_same_bits_together() {
  ASSERT_GT(kSizes.size(), cuda::kMaxSumsOfALaunch);
  const auto together = sums_of<T>(kSizes, true), alone = sums_of<T>(kSizes, false);
  ASSERT_EQ(together.size(), alone.size());
  for (std::size_t i = 0; i < alone.size(); ++i) {
    ASSERT_EQ(together[i].size(), alone[i].size());
    EXPECT_EQ(std::memcmp(together[i].data(), alone[i].data(), alone[i].size() * sizeof(T)), 0) << "sums " << i;
  }
}

TEST_F(CudaColumns, ManyMatricesHaveTheBitsOfEachAlone) {
  expect_the_same_bits_together<float>();
  expect_the_same_bits_together<BFloat16>();
}

TEST_F(CudaColumns, AreTheSums) {
  const std::vector<std::vector<float>> sums = sums_of<float>(kSizes, true);
  std::size_t at = 0;
  for (std::size_t i = 0; i < kSizes.size(); ++i) {
    const auto& [rows, channels, second, mode] = kSizes[i];
    const std::int64_t width = channels * (second ? 2 : 1);
    const std::vector<float> x = values<float>(rows * width, static_cast<int>(i));
    for (std::int64_t half = 0; half < (second ? 2 : 1); ++half, ++at) {
      const std::vector<float> before = values<float>(channels, static_cast<int>(i) + 1 + static_cast<int>(half));
      for (std::int64_t c = 0; c < channels; ++c) {
        double expected = mode == GradMode::kAccumulate ? before[static_cast<std::size_t>(c)] : 0.0;
        for (std::int64_t n = 0; n < rows; ++n)
          expected += x[static_cast<std::size_t>(n * width + half * channels + c)];
        ASSERT_NEAR(sums[at][static_cast<std::size_t>(c)], expected, 2e-4) << "matrix " << i << ", column " << c;
      }
    }
  }
}

// What layernorm_backward leaves in parts adds up to the gradients that it writes itself, bit for bit.
TEST_F(CudaColumns, PartsOfLayerNormAddUpToItsGradients) {
  constexpr std::int64_t kRows = 2200, kChannels = 24;
  CudaBackend backend;
  const CudaContext& context = context_of(backend);
  const DeviceArray<float> x(backend, values<float>(kRows * kChannels, 1)),
      dy(backend, values<float>(kRows * kChannels, 2)), mean(backend, values<float>(kRows, 3)),
      rstd(backend, std::vector<float>(kRows, 1.5f)), weight(backend, values<float>(kChannels, 4));
  DeviceArray<float> dweight(backend, std::vector<float>(kChannels)), dbias(backend, std::vector<float>(kChannels)),
      joined_weight(backend, std::vector<float>(kChannels)), joined_bias(backend, std::vector<float>(kChannels));
  LayerNormBackward args{.dx = {},
                         .dresidual = {},
                         .dweight = {dweight.data()},
                         .dbias = {dbias.data()},
                         .dy = dy.data(),
                         .dsum = nullptr,
                         .sum = x.data(),
                         .mean = mean.data(),
                         .rstd = rstd.data(),
                         .weight = weight.data(),
                         .residual = false,
                         .rows = kRows,
                         .channels = kChannels,
                         .dropout = {},
                         .dtype = DType::kFloat32};
  const std::int64_t parts_of_rows = layernorm_parts(context, args);
  ASSERT_LT(parts_of_rows * 8, kRows);  // a block has more rows than it takes at a time
  const DeviceArray<float> parts(backend, std::vector<float>(static_cast<std::size_t>(parts_of_rows * 2 * kChannels)));
  layernorm_backward(context, args);
  args.parts = parts.data();
  args.dweight = args.dbias = {};
  layernorm_backward(context, args);
  const cuda::ColumnSum sum{.out = {joined_weight.data()},
                            .second = {joined_bias.data()},
                            .x = parts.data(),
                            .rows = parts_of_rows,
                            .channels = kChannels,
                            .row_stride = 2 * kChannels,
                            .dtype = DType::kFloat32};
  cuda::sum_columns(context, {&sum, 1});
  EXPECT_EQ(joined_weight.values(), dweight.values());
  EXPECT_EQ(joined_bias.values(), dbias.values());
  const cuda::ColumnSum bias_alone{.out = {joined_weight.data()},
                                   .second = {},
                                   .x = parts.data() + kChannels,
                                   .rows = parts_of_rows,
                                   .channels = kChannels,
                                   .row_stride = 2 * kChannels,
                                   .dtype = DType::kFloat32};
  cuda::sum_columns(context, {&bias_alone, 1});
  EXPECT_EQ(joined_weight.values(), dbias.values());
}

}  // namespace
}  // namespace attune::testing
