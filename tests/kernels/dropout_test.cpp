// Dropout drops the share it should, the same elements forward and backward, and whatever the layout of the batch.
#include "kernels/dropout.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/layernorm.h"
#include "kernels/residual.h"
#include "tests/kernels/oracles/dropout.h"

namespace attune {
namespace {

using namespace kernels;

std::vector<float> dropped(const std::vector<float>& x, std::int64_t channels, const DropoutMask& mask) {
  std::vector<float> y(x.size());
  dropout(CpuContext{}, {.y = y.data(),
                         .x = x.data(),
                         .rows = static_cast<std::int64_t>(x.size()) / channels,
                         .channels = channels,
                         .mask = mask,
                         .dtype = DType::kFloat32});
  return y;
}

std::vector<std::uint32_t> keys_of(std::uint32_t rows) {
  std::vector<std::uint32_t> out;
  for (std::uint32_t n = 0; n < rows; ++n) out.push_back(row_key(n / 64, n % 64));
  return out;
}

TEST(DropoutTest, KeepsTheShareAndTheMean) {
  constexpr std::int64_t kRows = 512, kChannels = 768;
  const auto keys = keys_of(kRows);
  const std::vector<float> ones(kRows * kChannels, 1.0f);
  for (float p : {0.1f, 0.5f, 0.9f}) {
    const auto y = dropped(ones, kChannels, {.p = p, .seed = 5, .step = 1, .site = 2, .row_keys = keys.data()});
    double kept = 0;
    for (float value : y) {
      if (value == 0) continue;
      EXPECT_FLOAT_EQ(value, 65536 / (65536 - std::round(65536 * p)));
      ++kept;
    }
    const double n = static_cast<double>(y.size()), share = 1 - static_cast<double>(p);
    EXPECT_NEAR(kept / n, share, 5 * std::sqrt(share * (1 - share) / n)) << "five standard deviations";
  }
}

// p is rounded to a multiple of 2^-16; what is below all of them drops nothing, and nothing drops everything.
TEST(DropoutTest, RoundsTheShare) {
  EXPECT_EQ(DropoutMask{.p = 0.1f}.threshold(), 6554u);
  EXPECT_DOUBLE_EQ(DropoutMask{.p = 0.1f}.scale(), 65536.0 / (65536 - 6554));
  EXPECT_EQ(DropoutMask{.p = 0.5f}.threshold(), 32768u);
  EXPECT_EQ(DropoutMask{.p = 0.5f}.scale(), 2);
  EXPECT_EQ(DropoutMask{.p = 1e-6f}.threshold(), 0u);
  EXPECT_EQ(DropoutMask{.p = 1e-6f}.scale(), 1);
  EXPECT_EQ(DropoutMask{.p = 0.9999999f}.threshold(), 65535u);
}

TEST(DropoutTest, FollowsTheDefinition) {
  constexpr std::int64_t kChannels = 131;
  const auto keys = keys_of(100);
  const std::vector<float> ones(100 * kChannels, 1.0f);
  const DropoutMask mask{.p = 0.3f, .seed = 0xfedcba9876543210ull, .step = 9, .site = 17, .row_keys = keys.data()};
  const testing::oracle::Dropout exact{.p = static_cast<double>(mask.p), .seed = mask.seed, .step = 9, .site = 17};
  const auto y = dropped(ones, kChannels, mask);
  for (std::size_t n = 0; n < 100; ++n)
    for (std::uint32_t c = 0; c < kChannels; ++c) {
      const double factor = testing::oracle::dropout_factor(exact, keys[n], c);
      EXPECT_EQ(y[n * kChannels + c] == 0, factor == 0);
      EXPECT_FLOAT_EQ(y[n * kChannels + c], static_cast<float>(factor));
    }
}

TEST(DropoutTest, SeedStepAndSiteEachChangeTheMask) {
  const auto keys = keys_of(8);
  const std::vector<float> ones(8 * 64, 1.0f);
  const DropoutMask base{.p = 0.5f, .seed = 1, .step = 1, .site = 1, .row_keys = keys.data()};
  const auto y = dropped(ones, 64, base);
  EXPECT_EQ(dropped(ones, 64, base), y);
  DropoutMask other = base;
  other.seed = 1ull << 32 | 1;
  EXPECT_NE(dropped(ones, 64, other), y);
  (other = base).step = 2;
  EXPECT_NE(dropped(ones, 64, other), y);
  (other = base).site = 2;
  EXPECT_NE(dropped(ones, 64, other), y);
}

// The mask of a row depends on its key, not on its place in the batch: any selection of rows keeps the masks of the rows.
TEST(DropoutTest, IndependentOfLayout) {
  constexpr std::int64_t kChannels = 37;
  const auto keys = keys_of(200);
  const std::vector<float> ones(200 * kChannels, 1.0f);
  const auto padded = dropped(ones, kChannels, {.p = 0.4f, .seed = 3, .step = 4, .site = 5, .row_keys = keys.data()});
  std::vector<std::uint32_t> packed_keys;
  std::vector<float> expected;
  for (std::size_t n = 0; n < 200; n += 3) {
    packed_keys.push_back(keys[n]);
    expected.insert(expected.end(), padded.begin() + static_cast<std::ptrdiff_t>(n * kChannels),
                    padded.begin() + static_cast<std::ptrdiff_t>((n + 1) * kChannels));
  }
  const std::vector<float> some(packed_keys.size() * kChannels, 1.0f);
  EXPECT_EQ(dropped(some, kChannels, {.p = 0.4f, .seed = 3, .step = 4, .site = 5, .row_keys = packed_keys.data()}),
            expected);
}

TEST(DropoutTest, InPlaceAndFused) {
  constexpr std::int64_t kRows = 9, kChannels = 40;
  const auto keys = keys_of(kRows);
  const DropoutMask mask{.p = 0.4f, .seed = 3, .step = 4, .site = 5, .row_keys = keys.data()};
  std::vector<float> x, base;
  for (int i = 0; i < kRows * kChannels; ++i)
    x.push_back(0.01f * static_cast<float>(i % 91) + 0.5f), base.push_back(static_cast<float>(i % 7));
  const auto y = dropped(x, kChannels, mask);
  std::vector<float> in_place = x, sum(x.size()), fused(x.size()), normed(x.size()), weight(kChannels, 1.0f);
  dropout(CpuContext{}, {.y = in_place.data(),
                         .x = in_place.data(),
                         .rows = kRows,
                         .channels = kChannels,
                         .mask = mask,
                         .dtype = DType::kFloat32});
  EXPECT_EQ(in_place, y);
  residual(CpuContext{}, {.y = sum.data(),
                          .residual = base.data(),
                          .x = x.data(),
                          .rows = kRows,
                          .channels = kChannels,
                          .dropout = mask,
                          .dtype = DType::kFloat32});
  layernorm_forward(CpuContext{}, {.y = normed.data(),
                                   .sum = fused.data(),
                                   .mean = nullptr,
                                   .rstd = nullptr,
                                   .x = x.data(),
                                   .residual = base.data(),
                                   .weight = weight.data(),
                                   .bias = nullptr,
                                   .rows = kRows,
                                   .channels = kChannels,
                                   .eps = 1e-5,
                                   .dropout = mask,
                                   .dtype = DType::kFloat32});
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_FLOAT_EQ(sum[i], base[i] + y[i]);
    EXPECT_EQ(fused[i], sum[i]);
  }
}

}  // namespace
}  // namespace attune
