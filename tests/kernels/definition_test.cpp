// The forward of the simple ops against their formula (the oracles), element by element in double. The gradients are tested
// by numerical differences; attention, dropout, AdamW, losses and the matrix product have test files
// of their own.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "kernels/embedding.h"
#include "kernels/glu.h"
#include "kernels/layernorm.h"
#include "kernels/linear.h"
#include "kernels/max_pool.h"
#include "kernels/moving_average.h"
#include "kernels/pool.h"
#include "kernels/rank_sum.h"
#include "kernels/residual.h"
#include "kernels/rope.h"
#include "kernels/scale.h"
#include "tests/kernels/definition.h"
#include "tests/kernels/oracles/activation.h"
#include "tests/kernels/oracles/embedding.h"
#include "tests/kernels/oracles/glu.h"
#include "tests/kernels/oracles/layernorm.h"
#include "tests/kernels/oracles/linear.h"
#include "tests/kernels/oracles/max_pool.h"
#include "tests/kernels/oracles/moving_average.h"
#include "tests/kernels/oracles/pool.h"
#include "tests/kernels/oracles/rank_sum.h"
#include "tests/kernels/oracles/residual.h"
#include "tests/kernels/oracles/rope.h"
#include "tests/kernels/oracles/scale.h"

namespace attune::testing {
namespace {

using namespace kernels;

TEST(Definition, Linear) {
  const Numbers x = random_numbers(3 * 5), weight = random_numbers(4 * 5), bias = random_numbers(4);
  Numbers y(3 * 4);
  linear_forward(CpuContext{}, {.y = y.data(),
                                .x = x.data(),
                                .weight = weight.data(),
                                .bias = bias.data(),
                                .rows = 3,
                                .inputs = 5,
                                .outputs = 4,
                                .dtype = kDouble});
  expect_near(y, oracle::linear(x, weight, bias, 5), 20 * kLastBits);
}

TEST(Definition, LayerNorm) {
  constexpr std::size_t kRows = 4, kChannels = 19;
  const Numbers x = random_numbers(kRows * kChannels), residual = random_numbers(kRows * kChannels);
  const Numbers weight = random_numbers(kChannels), bias = random_numbers(kChannels);
  Numbers y(x.size()), sum(x.size()), mean(kRows), rstd(kRows);
  layernorm_forward(CpuContext{}, {.y = y.data(),
                                   .sum = sum.data(),
                                   .mean = mean.data(),
                                   .rstd = rstd.data(),
                                   .x = x.data(),
                                   .residual = residual.data(),
                                   .weight = weight.data(),
                                   .bias = bias.data(),
                                   .rows = kRows,
                                   .channels = kChannels,
                                   .eps = 0.1,
                                   .dropout = {},
                                   .dtype = kDouble});
  const Numbers exact_sum = oracle::residual(residual, x);
  const oracle::LayerNorm exact = oracle::layernorm(exact_sum, weight, bias, 0.1);
  EXPECT_EQ(sum, exact_sum);
  expect_near(mean, exact.mean, 10 * kLastBits);
  expect_near(rstd, exact.rstd, 10 * kLastBits);
  expect_near(y, exact.y, 20 * kLastBits);
}

// The kernel computes mean and variance in two passes: a small variance stays exact under a large mean.
TEST(Definition, LayerNormOfALargeMean) {
  std::vector<float> x(64), y(64), weight(64, 1.0f);
  for (std::size_t c = 0; c < 64; ++c) x[c] = 4096.0f + (c % 2 == 0 ? 0.5f : -0.5f);
  layernorm_forward(CpuContext{}, {.y = y.data(),
                                   .sum = nullptr,
                                   .mean = nullptr,
                                   .rstd = nullptr,
                                   .x = x.data(),
                                   .residual = nullptr,
                                   .weight = weight.data(),
                                   .bias = nullptr,
                                   .rows = 1,
                                   .channels = 64,
                                   .eps = 0,
                                   .dropout = {},
                                   .dtype = DType::kFloat32});
  for (std::size_t c = 0; c < 64; ++c) EXPECT_FLOAT_EQ(y[c], c % 2 == 0 ? 1.0f : -1.0f);
}

TEST(Definition, EmbeddingSumsItsTables) {
  constexpr std::size_t kChannels = 6;
  const Numbers words = random_numbers(5 * kChannels), positions = random_numbers(4 * kChannels),
                types = random_numbers(2 * kChannels);
  const std::vector<std::int32_t> ids{4, 0, 4}, position_ids{0, 1, 3}, type_ids{1, 0, 1};
  Numbers y(3 * kChannels);
  embedding_forward(CpuContext{}, {.y = y.data(),
                                   .words = {words.data(), ids.data(), 5},
                                   .positions = {positions.data(), position_ids.data(), 4},
                                   .types = {types.data(), type_ids.data(), 2},
                                   .tokens = 3,
                                   .channels = kChannels,
                                   .dtype = kDouble});
  expect_near(y, oracle::embedding({{words, ids}, {positions, position_ids}, {types, type_ids}}, 3, kChannels),
              kLastBits);
}

// The padding row gets no gradient: it is zero where gradients are written, and unchanged where they are added.
TEST(Definition, EmbeddingPaddingRow) {
  const Numbers dy = random_numbers(4 * 3);
  const std::vector<std::int32_t> ids{1, 2, 1, 0};
  for (GradMode mode : {GradMode::kWrite, GradMode::kAccumulate}) {
    Numbers gradient(3 * 3, 7.0);
    embedding_backward(CpuContext{}, {.dtable = {gradient.data(), mode},
                                      .dy = dy.data(),
                                      .ids = ids.data(),
                                      .rows = 3,
                                      .tokens = 4,
                                      .channels = 3,
                                      .padding_id = 1,
                                      .dtype = kDouble});
    const Numbers before(3 * 3, mode == GradMode::kWrite ? 0.0 : 7.0);
    EXPECT_EQ(gradient, oracle::embedding_backward(before, dy, ids, 3, 1));
  }
}

TEST(Definition, GluGatesTheFirstHalfWithTheSecond) {
  const Numbers u = random_numbers(2 * 6);
  Numbers y(2 * 3);
  glu_forward(CpuContext{},
              {.y = y.data(), .u = u.data(), .rows = 2, .channels = 3, .kind = Activation::kGeluErf, .dtype = kDouble});
  expect_near(y, oracle::glu(u, 3, Activation::kGeluErf), 10 * kLastBits);
}

// Sequences of 4 rows, 3 of them real, and of 2 rows, none of them real; a seventh row belongs to none.
TEST(Definition, PoolingTakesTheMeanOfTheChosenRows) {
  const Numbers x = random_numbers(7 * 3);
  const std::vector<std::int32_t> offsets{0, 4, 6}, lengths{3, 0};
  for (PooledRows rows :
       {PooledRows::kFirst, PooledRows::kLast, PooledRows::kLastReal, PooledRows::kAll, PooledRows::kReal}) {
    Numbers y(2 * 3, std::nan(""));
    pool_forward(CpuContext{}, {.y = y.data(),
                                .x = x.data(),
                                .layout = {.offsets = offsets.data(),
                                           .lengths = lengths.data(),
                                           .sequences = 2,
                                           .rows = 7,
                                           .channels = 3,
                                           .pooled = rows},
                                .dtype = kDouble});
    const bool mean = rows == PooledRows::kAll || rows == PooledRows::kReal;  // otherwise a copy of one row: exact
    expect_near(y, oracle::pool(x, offsets, lengths, 3, rows), mean ? kLastBits : 0);
    if (rows == PooledRows::kReal) {
      EXPECT_EQ(Numbers(y.begin() + 3, y.end()), Numbers(3, 0.0));
    }
  }
}

// Sequences of three rows, of none and of one; a fifth row belongs to none. Of equal values the first gets the gradient.
TEST(Definition, MaxPoolingTakesTheLargestOfEachChannel) {
  const Numbers x{1, -7, 2, -3, 2, -3, -5, 4, 9, 9};
  const std::vector<std::int32_t> offsets{0, 3, 3, 4};
  const MaxPoolLayout layout{.offsets = offsets.data(), .sequences = 3, .rows = 5, .channels = 2};
  Numbers y(3 * 2, std::nan(""));
  max_pool_forward(CpuContext{}, {.y = y.data(), .x = x.data(), .layout = layout, .dtype = kDouble});
  EXPECT_EQ(y, oracle::max_pool(x, offsets, 2));
  EXPECT_EQ(y, (Numbers{2, -3, 0, 0, -5, 4}));
  const Numbers dy{1, 2, 3, 4, 5, 6};
  Numbers dx(5 * 2, std::nan(""));
  max_pool_backward(
      CpuContext{},
      {.dx = {dx.data(), GradMode::kWrite}, .dy = dy.data(), .x = x.data(), .layout = layout, .dtype = kDouble});
  EXPECT_EQ(dx, (Numbers{0, 0, 1, 2, 0, 0, 5, 6, 0, 0}));
}

TEST(Definition, MaxPoolingKeepsWhatIsNotANumber) {
  const std::vector<std::int32_t> offsets{0, 3};
  for (std::size_t place = 0; place < 3; ++place) {
    Numbers x{1, 2, 3}, y(1);
    x[place] = std::nan("");
    max_pool_forward(CpuContext{}, {.y = y.data(),
                                    .x = x.data(),
                                    .layout = {.offsets = offsets.data(), .sequences = 1, .rows = 3, .channels = 1},
                                    .dtype = kDouble});
    EXPECT_TRUE(std::isnan(y[0])) << place;
  }
}

// The inverse turns the pairs back; channels after those of the heads do not change.
TEST(Definition, RopeTurnsPairs) {
  constexpr std::size_t kHeads = 2, kSize = 6, kStride = 15;
  const std::vector<float> angles{0.5f, 1.0f, 2.0f};
  std::vector<float> cosines(6), sines(6);  // positions 0 and 1
  for (std::size_t p = 0; p < 2; ++p)
    for (std::size_t d = 0; d < 3; ++d) {
      cosines[p * 3 + d] = std::cos(static_cast<float>(p) * angles[d]);
      sines[p * 3 + d] = std::sin(static_cast<float>(p) * angles[d]);
    }
  const std::vector<std::int32_t> positions{1, 0, 1};
  const Numbers before = random_numbers(3 * kStride);
  Numbers x = before;
  Rope args{.x = x.data(),
            .cos_table = cosines.data(),
            .sin_table = sines.data(),
            .positions = positions.data(),
            .rows = 3,
            .heads = kHeads,
            .head_size = kSize,
            .row_stride = kStride,
            .dtype = kDouble};
  rope(CpuContext{}, args);
  expect_near(x, oracle::rope(before, cosines, sines, positions, {kHeads, kSize, kStride}), 10 * kLastBits);
  for (std::size_t n = 0; n < 3; ++n)
    for (std::size_t c = kHeads * kSize; c < kStride; ++c) EXPECT_EQ(x[n * kStride + c], before[n * kStride + c]);
  args.inverse = true;
  rope(CpuContext{}, args);
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], before[i], 1e-6);  // cos^2 + sin^2 = 1 up to float32
}

TEST(Definition, InPlaceAddAndScale) {
  const Numbers x = random_numbers(37), base = random_numbers(37);
  Numbers onto_base = base, onto_x = x, scaled = x;
  residual(CpuContext{}, {.y = onto_base.data(),
                          .residual = onto_base.data(),
                          .x = x.data(),
                          .rows = 1,
                          .channels = 37,
                          .dropout = {},
                          .dtype = kDouble});
  residual(CpuContext{}, {.y = onto_x.data(),
                          .residual = base.data(),
                          .x = onto_x.data(),
                          .rows = 1,
                          .channels = 37,
                          .dropout = {},
                          .dtype = kDouble});
  scale(CpuContext{}, {.y = scaled.data(), .x = scaled.data(), .n = 37, .alpha = 3, .dtype = kDouble});
  EXPECT_EQ(onto_base, oracle::residual(base, x));
  EXPECT_EQ(onto_x, oracle::residual(base, x));
  EXPECT_EQ(scaled, oracle::scale(x, 3));
}

TEST(Definition, RankSum) {
  const Numbers x = random_numbers(3 * 37);
  Numbers y(37);
  rank_sum(CpuContext{}, {.y = y.data(), .x = x.data(), .ranks = 3, .n = 37, .dtype = kDouble});
  EXPECT_EQ(y, oracle::rank_sum(x, 37));
}

TEST(Definition, Activations) {
  for (Activation kind : {Activation::kGeluTanh, Activation::kGeluErf, Activation::kRelu, Activation::kTanh}) {
    const Numbers x = random_numbers(37);
    Numbers y(37), exact;
    activation_forward(CpuContext{}, {.y = y.data(), .x = x.data(), .n = 37, .kind = kind, .dtype = kDouble});
    for (double value : x) exact.push_back(oracle::activation(value, kind));
    expect_near(y, exact, 10 * kLastBits);
  }
}

// y may be x; in kWrite mode dx may be dy.
TEST(Definition, ActivationsInPlace) {
  for (Activation kind : {Activation::kGeluTanh, Activation::kGeluErf, Activation::kRelu, Activation::kTanh}) {
    const Numbers x = random_numbers(37), dy = random_numbers(37);
    Numbers y(37), dx(37), y_in_place = x, dx_in_place = dy;
    activation_forward(CpuContext{}, {.y = y.data(), .x = x.data(), .n = 37, .kind = kind, .dtype = kDouble});
    activation_forward(CpuContext{},
                       {.y = y_in_place.data(), .x = y_in_place.data(), .n = 37, .kind = kind, .dtype = kDouble});
    activation_backward(CpuContext{},
                        {.dx = {dx.data()}, .dy = dy.data(), .x = x.data(), .n = 37, .kind = kind, .dtype = kDouble});
    activation_backward(
        CpuContext{},
        {.dx = {dx_in_place.data()}, .dy = dx_in_place.data(), .x = x.data(), .n = 37, .kind = kind, .dtype = kDouble});
    EXPECT_EQ(y_in_place, y);
    EXPECT_EQ(dx_in_place, dx);
  }
}

TEST(Definition, MovingAverage) {
  const Numbers before = random_numbers(40), value = random_numbers(40);
  Numbers average = before, expected;
  for (std::size_t i = 0; i < 40; ++i) expected.push_back(oracle::moving_average(before[i], value[i], 0.97));
  const double rate = 1 - 0.97;
  const std::array<AveragedTensor, 2> tensors{
      {{average.data(), value.data(), 7}, {average.data() + 7, value.data() + 7, 33}}};
  moving_average(CpuContext{}, {.tensors = tensors, .rate = &rate, .dtype = kDouble});
  expect_near(average, expected, kLastBits);
}

}  // namespace
}  // namespace attune::testing
