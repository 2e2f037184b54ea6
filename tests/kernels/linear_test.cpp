// Linear maps with products of bfloat16 numbers: the numbers that float32 gives for rounded operands, forward and
// backward.
#include "kernels/linear.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <vector>

#include "base/bfloat16.h"
#include "tests/kernels/tolerances.h"

namespace attune {
namespace {

using namespace kernels;
using Numbers = std::vector<float>;

constexpr std::int64_t kRows = 37, kInputs = 50, kOutputs = 21;

Numbers uniform(std::int64_t n, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> distribution(-1, 1);
  Numbers out(static_cast<std::size_t>(n));
  for (float& x : out) x = distribution(engine);
  return out;
}

Numbers rounded(Numbers x) {
  for (float& value : x) value = to_float(to_bfloat16(value));
  return x;
}

void expect_near(const Numbers& actual, const Numbers& expected, std::int64_t k, const char* what) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i)
    ASSERT_NEAR(actual[i], expected[i], testing::product_bound(k) * std::numeric_limits<float>::epsilon())
        << what << " at " << i;
}

class LinearTest : public ::testing::Test {
 protected:
  const Numbers x = uniform(kRows * kInputs, 1), weight = uniform(kOutputs * kInputs, 2), bias = uniform(kOutputs, 3),
                dy = uniform(kRows * kOutputs, 4);
  const Numbers rounded_x = rounded(x), rounded_weight = rounded(weight), rounded_dy = rounded(dy);
  const CpuContext bfloat16{.bfloat16_products = true}, float32;

  Numbers forward(const CpuContext& context, const Numbers& from, const Numbers& by, bool with_bias) const {
    Numbers y(static_cast<std::size_t>(kRows * kOutputs), std::numeric_limits<float>::quiet_NaN());
    linear_forward(context, {.y = y.data(),
                             .x = from.data(),
                             .weight = by.data(),
                             .bias = with_bias ? bias.data() : nullptr,
                             .rows = kRows,
                             .inputs = kInputs,
                             .outputs = kOutputs,
                             .dtype = DType::kFloat32});
    return y;
  }
};

TEST_F(LinearTest, ForwardInBFloat16) {
  for (bool with_bias : {false, true}) {
    const Numbers y = forward(bfloat16, x, weight, with_bias);
    expect_near(y, forward(float32, rounded_x, rounded_weight, with_bias), kInputs, "y");
    EXPECT_EQ(y, forward(bfloat16, rounded_x, rounded_weight, with_bias));
    EXPECT_NE(y, forward(float32, x, weight, with_bias));
  }
}

TEST_F(LinearTest, BackwardInBFloat16) {
  struct Gradients {
    Numbers dx = uniform(kRows * kInputs, 5), dweight = uniform(kOutputs * kInputs, 6), dbias = uniform(kOutputs, 7);
  };
  const Gradients untouched;
  for (GradMode mode : {GradMode::kWrite, GradMode::kAccumulate})
    for (bool need_dx : {false, true})
      for (bool need_dweight : {false, true}) {
        const auto backward = [&](const CpuContext& context, const Numbers& dy_of_products, const Numbers& x_,
                                  const Numbers& weight_, bool need_dbias) {
          Gradients out;
          linear_backward(context, {.dx = {need_dx ? out.dx.data() : nullptr, mode},
                                    .dweight = {need_dweight ? out.dweight.data() : nullptr, mode},
                                    .dbias = {need_dbias ? out.dbias.data() : nullptr, mode},
                                    .dy = dy_of_products.data(),
                                    .x = need_dweight ? x_.data() : nullptr,
                                    .weight = need_dx ? weight_.data() : nullptr,
                                    .rows = kRows,
                                    .inputs = kInputs,
                                    .outputs = kOutputs,
                                    .dtype = DType::kFloat32});
          return out;
        };
        const Gradients actual = backward(bfloat16, dy, x, weight, true);
        const Gradients expected = backward(float32, rounded_dy, rounded_x, rounded_weight, false);
        const Gradients exact = backward(float32, dy, x, weight, true);
        expect_near(actual.dx, expected.dx, kOutputs, "dx");
        expect_near(actual.dweight, expected.dweight, kRows, "dweight");
        EXPECT_EQ(actual.dbias, exact.dbias);  // a sum, of numbers that are not rounded
        EXPECT_EQ(actual.dx == untouched.dx, !need_dx);
        EXPECT_EQ(actual.dweight == untouched.dweight, !need_dweight);
        EXPECT_EQ(actual.dx == exact.dx, !need_dx);
        EXPECT_EQ(actual.dweight == exact.dweight, !need_dweight);
      }
}

}  // namespace
}  // namespace attune
