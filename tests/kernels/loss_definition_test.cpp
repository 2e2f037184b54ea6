// The losses against their formula (the oracles), and at logits so large that a simple formula overflows.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "kernels/binary_cross_entropy.h"
#include "kernels/cross_entropy.h"
#include "kernels/mean_squared_error.h"
#include "tests/kernels/definition.h"
#include "tests/kernels/oracles/binary_cross_entropy.h"
#include "tests/kernels/oracles/cross_entropy.h"
#include "tests/kernels/oracles/mean_squared_error.h"

namespace attune::testing {
namespace {

using namespace kernels;

TEST(LossDefinition, CrossEntropy) {
  constexpr std::size_t kRows = 5, kClasses = 7;
  const Numbers z = random_numbers(kRows * kClasses), all_one(kClasses, 1.0);
  Numbers weights = random_numbers(kClasses);
  for (double& weight : weights) weight = std::fabs(weight);
  const std::vector<std::int32_t> labels{0, 6, 3, 3, 1};
  for (const Numbers* class_weights : {static_cast<const Numbers*>(nullptr), static_cast<const Numbers*>(&weights)})
    for (double smoothing : {0.0, 0.1}) {
      Numbers losses(kRows);
      double loss = 0, total_weight = 0;
      cross_entropy_forward(CpuContext{}, {.loss = &loss,
                                           .losses = losses.data(),
                                           .total_weight = &total_weight,
                                           .logits = z.data(),
                                           .labels = labels.data(),
                                           .class_weights = class_weights == nullptr ? nullptr : class_weights->data(),
                                           .label_smoothing = smoothing,
                                           .rows = kRows,
                                           .classes = kClasses,
                                           .dtype = kDouble});
      const oracle::CrossEntropy exact =
          oracle::cross_entropy(z, labels, class_weights == nullptr ? all_one : *class_weights, smoothing);
      expect_near(losses, exact.losses, 10 * kLastBits);
      EXPECT_NEAR(total_weight, exact.total_weight, 10 * kLastBits);
      EXPECT_NEAR(loss, exact.loss, 10 * kLastBits);
    }
}

TEST(LossDefinition, CrossEntropyOfLargeLogits) {
  const std::vector<float> z{1000, -1000, 0, 1000};
  const std::vector<std::int32_t> labels{1, 1};
  std::vector<float> losses(2), dz(4);
  float loss = 0, total_weight = 0;
  const float dloss = 1;
  cross_entropy_forward(CpuContext{}, {.loss = &loss,
                                       .losses = losses.data(),
                                       .total_weight = &total_weight,
                                       .logits = z.data(),
                                       .labels = labels.data(),
                                       .rows = 2,
                                       .classes = 2,
                                       .dtype = DType::kFloat32});
  EXPECT_EQ(losses, (std::vector<float>{2000, 0}));
  EXPECT_EQ(loss, 1000);
  EXPECT_EQ(total_weight, 2);
  cross_entropy_backward(CpuContext{}, {.dlogits = {dz.data()},
                                        .dloss = &dloss,
                                        .total_weight = &total_weight,
                                        .logits = z.data(),
                                        .labels = labels.data(),
                                        .rows = 2,
                                        .classes = 2,
                                        .dtype = DType::kFloat32});
  EXPECT_EQ(dz, (std::vector<float>{0.5f, -0.5f, 0, 0}));
}

TEST(LossDefinition, BinaryCrossEntropy) {
  constexpr std::size_t kRows = 3, kClasses = 4;
  const Numbers z = random_numbers(kRows * kClasses), pos_weights{0.5, 1, 2, 7};
  const std::vector<float> labels{0, 1, 1, 0, 0.25f, 1, 0, 0.75f, 1, 1, 0.5f, 0};
  double weighted = 0, plain = 0;
  BinaryCrossEntropyForward args{.loss = &plain,
                                 .logits = z.data(),
                                 .labels = labels.data(),
                                 .rows = kRows,
                                 .classes = kClasses,
                                 .dtype = kDouble};
  binary_cross_entropy_forward(CpuContext{}, args);
  args.loss = &weighted, args.pos_weights = pos_weights.data();
  binary_cross_entropy_forward(CpuContext{}, args);
  EXPECT_NEAR(plain, oracle::binary_cross_entropy(z, labels, Numbers(kClasses, 1.0)), 10 * kLastBits);
  EXPECT_NEAR(weighted, oracle::binary_cross_entropy(z, labels, pos_weights), 10 * kLastBits);
}

// Where the probability rounds to 0 or 1, the loss of a wrong label is its logit, that of a right one small but not zero.
TEST(LossDefinition, BinaryCrossEntropyOfLargeLogits) {
  const auto loss_and_gradient = [](double z, float label) {
    double loss = 0, dz = 0;
    const double dloss = 1;
    binary_cross_entropy_forward(
        CpuContext{}, {.loss = &loss, .logits = &z, .labels = &label, .rows = 1, .classes = 1, .dtype = kDouble});
    binary_cross_entropy_backward(
        CpuContext{},
        {.dlogits = {&dz}, .dloss = &dloss, .logits = &z, .labels = &label, .rows = 1, .classes = 1, .dtype = kDouble});
    return std::array{loss, dz};
  };
  EXPECT_EQ(loss_and_gradient(1000, 0), (std::array{1000.0, 1.0}));
  EXPECT_EQ(loss_and_gradient(-1000, 1), (std::array{1000.0, -1.0}));
  for (const auto& [loss, dz] : {loss_and_gradient(50, 1), loss_and_gradient(-50, 0)}) {
    EXPECT_DOUBLE_EQ(loss, std::exp(-50.0));
    EXPECT_DOUBLE_EQ(std::fabs(dz), std::exp(-50.0));
  }
}

TEST(LossDefinition, MeanSquaredError) {
  const Numbers x{1, -2, 0.5};
  const std::vector<float> labels{3, -2, 0};
  double loss = 0;
  mean_squared_error_forward(
      CpuContext{}, {.loss = &loss, .predictions = x.data(), .labels = labels.data(), .n = 3, .dtype = kDouble});
  EXPECT_NEAR(loss, (4 + 0 + 0.25) / 3, kLastBits);
  EXPECT_NEAR(loss, oracle::mean_squared_error(x, labels), kLastBits);
}

}  // namespace
}  // namespace attune::testing
