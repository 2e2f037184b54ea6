// The rotary table in the reference library's rounding, and what rotating queries and keys must do to their products.
#include "engine/ops/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "tests/kernels/oracles/rope.h"
#include "tests/support/token_batches.h"

namespace attune::testing {
namespace {

float at(const Tensor& table, std::int64_t position, std::int64_t d) {
  return table.values<float>()[static_cast<std::size_t>(position * table.shape()[1] + d)];
}

TEST(RopeTable, HoldsTheKnownFrequencies) {
  struct Known {
    double theta;
    std::int64_t d;
    double frequency;
  };
  for (const auto& [theta, d, frequency] : {Known{10000, 0, 1},
                                            {10000, 1, 0.7498942093324559},
                                            {10000, 31, 0.0001333521432163324},
                                            {160000, 1, 0.6876560219336321},
                                            {160000, 31, 9.088846459055961e-06}}) {
    const auto table = ops::RopeTable::make(3, 64, theta);
    EXPECT_EQ(at(table.cosines, 0, d), 1.0F);
    EXPECT_EQ(at(table.sines, 0, d), 0.0F);
    EXPECT_NEAR(std::atan2(at(table.sines, 1, d), at(table.cosines, 1, d)), frequency, 1.2e-7 * frequency)
        << theta << " " << d;
  }
}

TEST(RopeTable, AnglesAreRoundedToFloat) {
  const auto table = ops::RopeTable::make(301, 64, 10000);
  const float angle = oracle::rope_angle(300, 1, 64, 10000);
  EXPECT_EQ(at(table.cosines, 300, 1), static_cast<float>(std::cos(static_cast<double>(angle))));
  EXPECT_EQ(at(table.sines, 300, 1), static_cast<float>(std::sin(static_cast<double>(angle))));
}

// Scores depend on the distance of query and key alone, values are left as they are, and the inverse undoes it.
TEST(Rope, ScoresDependOnDistance) {
  constexpr std::int64_t kHeads = 2, kSize = 8, kRows = 7, kWidth = 3 * kHeads * kSize;
  const std::vector<std::int32_t> lengths = {3, 4};
  const Sequences sequences = packed_sequences(lengths);
  std::vector<double> row(kWidth), all;
  for (std::size_t i = 0; i < row.size(); ++i) row[i] = std::sin(1.7 * static_cast<double>(i) + 0.3);
  for (std::int64_t n = 0; n < kRows; ++n) all.insert(all.end(), row.begin(), row.end());
  const auto table = ops::RopeTable::make(10, kSize, 10000);
  Tensor qkv = ops::rope_forward(Tensor::from(all, {kRows, kWidth}), sequences, kHeads, table);

  const auto x = qkv.values<double>();
  const auto score = [&](std::int64_t query, std::int64_t key, std::int64_t head) {
    double sum = 0;
    for (std::int64_t d = 0; d < kSize; ++d)
      sum += x[static_cast<std::size_t>(query * kWidth + head * kSize + d)] *
             x[static_cast<std::size_t>(key * kWidth + (kHeads + head) * kSize + d)];
    return sum;
  };
  for (std::int64_t head = 0; head < kHeads; ++head) {
    EXPECT_NEAR(score(1, 0, head), score(2, 1, head), 1e-6);
    EXPECT_NEAR(score(1, 0, head), score(5, 4, head), 1e-6);  // rows 3.. are a sequence of their own
    EXPECT_GT(std::abs(score(1, 0, head) - score(2, 0, head)), 1e-3);
  }
  for (std::size_t i = 0; i < all.size(); ++i)
    if (i % kWidth >= 2 * kHeads * kSize) {
      EXPECT_EQ(x[i], all[i]) << i;
    }
  qkv = ops::rope_backward(std::move(qkv), sequences, kHeads, table);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_NEAR(x[i], all[i], 1e-6) << i;
}

TEST(Rope, RefusesShapesThatDoNotFit) {
  const std::vector<std::int32_t> lengths = {5};
  const Sequences sequences = packed_sequences(lengths);
  const auto table = ops::RopeTable::make(4, 8, 10000);
  const auto rotate = [&](const Shape& shape) {
    ops::rope_forward(Tensor::zeros(shape, DType::kFloat32), sequences, 1, table);
  };
  EXPECT_THROW(rotate({5, 24}), Error);  // beyond the table
  EXPECT_THROW(rotate({5, 30}), Error);
  EXPECT_THROW(rotate({4, 24}), Error);
  EXPECT_THROW(ops::RopeTable::make(4, 7, 10000), Error);
}

}  // namespace
}  // namespace attune::testing
