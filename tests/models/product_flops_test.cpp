// The arithmetic of a training step: what is trained, what is passed through, and what low-rank changes add.
#include "engine/nn/product_flops.h"

#include <gtest/gtest.h>

#include "tests/models/small_models.h"

namespace attune::testing {
namespace {

// The weights of a block of small_configs(): width 24, inner width 40 (GPT-2: 96).
constexpr double kEncoderBlock = 4.0 * 24 * 24 + 2.0 * 24 * 40, kGpt2Block = 12.0 * 24 * 24;

double flops_of(const std::string& family, const std::string& trained) {
  const auto model = random_model(family);
  set_trainable(*model, trainable_layers(trained));
  return product_flops(model->table());
}

TEST(ProductFlops, SixForEveryTrainedWeight) {
  EXPECT_EQ(flops_of("gpt2", "all"), 6 * 2 * kGpt2Block);
  for (const char* family : {"bert", "distilbert", "roberta"})
    EXPECT_EQ(flops_of(family, "all"), 6 * 2 * kEncoderBlock);
  EXPECT_EQ(flops_of("modernbert", "all"), 6 * 4 * (4.0 * 24 * 24 + 3.0 * 24 * 40));
}

TEST(ProductFlops, TwoForWeightsBeforeEverythingTrained) {
  EXPECT_EQ(flops_of("bert", "last_block"), (2 + 6) * kEncoderBlock);
  EXPECT_EQ(flops_of("bert", "last_layer"), 2 * 2 * kEncoderBlock);
}

// Gradients pass through a frozen weight to what is trained before it.
TEST(ProductFlops, FourForFrozenWeightsAfterSomethingTrained) {
  const auto model = random_model("bert");
  set_trainable(*model, TrainableLayers::kLastLayer);
  for (const ParameterRow& row : model->table().rows())
    if (row.role == Role::kEmbedding) row.parameter.set_requires_grad(true);
  EXPECT_EQ(product_flops(model->table()), 4 * 2 * kEncoderBlock);
}

TEST(ProductFlops, LowRankChangesAddTheirOwn) {
  const auto model = random_model("gpt2");
  TorchGenerator generator(7);
  model->add_low_rank({.rank = 3, .layers = {"fc"}}, generator);
  set_low_rank_trainable(*model);
  EXPECT_EQ(product_flops(model->table()), 4 * 2 * kGpt2Block + 6 * 2 * 3.0 * (24 + 96));
}

}  // namespace
}  // namespace attune::testing
