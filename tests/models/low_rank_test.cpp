// Low-rank changes of the linear layers of every family: none at first, with the gradients of their definition, merged
// when they are saved, and equal on every device and in every order of computation.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "engine/autograd/functions.h"
#include "engine/io/files.h"
#include "engine/io/safetensors.h"
#include "engine/nn/init.h"
#include "engine/ops/scale.h"
#include "engine/tensor/context.h"
#include "kernels/cuda/device_info.h"
#include "models/gpt2/gpt2.h"
#include "tests/models/small_models.h"
#include "tests/support/data.h"
#include "tests/support/message_of.h"
#include "tests/support/token_batches.h"

namespace attune::testing {
namespace {

using Doubles = std::vector<double>;

const std::vector<std::string> kAllLayers = {"qkv", "projection", "fc", "fc_out"};

TokenBatch small_batch() {
  return packed_batch(std::vector<std::int32_t>{5, 6, 7, 8, 9, 10, 11, 12, 13}, std::vector<std::int32_t>{4, 5});
}

Doubles doubles(const Tensor& x) {
  const Tensor host = x.to(Device::kCpu).cast(DType::kFloat64);
  return {host.values<double>().begin(), host.values<double>().end()};
}

Doubles logits_of(const Classifier& model, const TokenBatch& batch, const ForwardPass& pass = {}) {
  return doubles(model.forward(batch, pass).value());
}

// A model with changes that are not zero.
std::unique_ptr<Classifier> changed_model(const std::string& family, DType dtype, float dropout = 0,
                                          const std::vector<std::string>& layers = kAllLayers) {
  auto model = random_model(family, {.dtype = dtype, .dropout = dropout});
  TorchGenerator generator(7);
  model->add_low_rank({.rank = 3, .alpha = 6, .dropout = dropout, .layers = layers}, generator);
  for (const ParameterRow& row : model->table().rows())
    if (row.role == Role::kLowRank) init::normal(generator, row.parameter.value(), 0.2F);
  return model;
}

class LowRankChanges : public ::testing::TestWithParam<std::string> {};

TEST_P(LowRankChanges, BeginWithTheModelsOwnLogits) {
  const auto plain = random_model(GetParam()), changed = random_model(GetParam());
  TorchGenerator generator(7);
  changed->add_low_rank({.layers = kAllLayers}, generator);
  EXPECT_EQ(logits_of(*changed, small_batch()), logits_of(*plain, small_batch()));
}

TEST_P(LowRankChanges, AreInTheSavedWeights) {
  for (const std::vector<std::string>& layers : {kAllLayers, {"qkv"}, {"fc", "fc_out"}}) {
    const auto changed = changed_model(GetParam(), DType::kFloat32, 0, layers);
    const TempDir folder;
    AtomicFile file(folder / "model.safetensors");
    save_weights(*changed, file, {});
    file.commit();
    const auto merged = random_model(GetParam());
    load_weights(*merged, folder.path().string(), config_of(GetParam()));
    const Doubles expected = logits_of(*changed, small_batch()), found = logits_of(*merged, small_batch()),
                  without = logits_of(*random_model(GetParam()), small_batch());
    double difference = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(found[i], expected[i], 1e-6);
      difference = std::max(difference, std::abs(expected[i] - without[i]));
    }
    EXPECT_GT(difference, 1e-4);  // the changes do change something
  }
}

// Gradients of A, B and of what lies below them, with dropout, against differences of the loss.
TEST_P(LowRankChanges, HaveTheGradientsOfTheLoss) {
  const auto model = changed_model(GetParam(), DType::kFloat64, 0.2F);
  const TokenBatch batch = small_batch();
  const Tensor labels = Tensor::from(std::vector<std::int32_t>{1, 0}, {2});
  const ForwardPass pass{.training = true, .seed = 5, .step = 2};
  const auto loss_of = [&] { return cross_entropy(model->forward(batch, pass), labels); };
  Tape tape;
  Variable loss;
  {
    const Tape::Recording recording(tape);
    loss = loss_of();
  }
  tape.backward(loss);
  int checked = 0;
  for (const auto& [name, parameter] : parameters_of(*model)) {
    if (!name.starts_with("blocks.0.")) continue;
    ASSERT_TRUE(parameter.grad().defined()) << name;
    const Doubles gradient = doubles(parameter.grad().tensor());
    for (std::size_t i = 0; i < gradient.size(); i += gradient.size() / 3 + 1, ++checked) {
      constexpr double kStep = 1e-5;
      double& value = parameter.value().values<double>()[i];
      const double before = value;
      value = before + kStep;
      const double above = loss_of().value().item();
      value = before - kStep;
      const double below = loss_of().value().item();
      value = before;
      EXPECT_NEAR(gradient[i], (above - below) / (2 * kStep), 1e-8) << name << " " << i;
    }
  }
  EXPECT_GT(checked, 20);
}

// Frozen weights get no gradient, and what is trained is small.
TEST_P(LowRankChanges, AreTrainedAlone) {
  const auto model = changed_model(GetParam(), DType::kFloat32);
  set_low_rank_trainable(*model);
  for (const ParameterRow& row : model->table().rows()) {
    const bool expected = row.role == Role::kLowRank || row.optional || row.head;
    EXPECT_EQ(row.parameter.requires_grad(), expected) << row.name;
  }
  Tape tape;
  Variable loss;
  {
    const Tape::Recording recording(tape);
    loss = cross_entropy(model->forward(small_batch(), {.training = true}),
                         Tensor::from(std::vector<std::int32_t>{1, 0}, {2}));
  }
  tape.backward(loss);
  for (const auto& [name, parameter] : parameters_of(*model))
    EXPECT_EQ(parameter.grad().defined(), parameter.requires_grad()) << name;
}

TEST_P(LowRankChanges, AreComputedAgainWithTheSameBits) {
  const auto gradients = [&](bool recompute) {
    const auto model = changed_model(GetParam(), DType::kFloat32, 0.2F);
    set_low_rank_trainable(*model);
    Tape tape;
    Variable loss;
    {
      const Tape::Recording recording(tape);
      const ForwardPass pass{.training = true, .seed = 3, .step = 9, .step_at = {}, .recompute = recompute};
      loss = cross_entropy(model->forward(small_batch(), pass), Tensor::from(std::vector<std::int32_t>{1, 0}, {2}));
    }
    tape.backward(loss);
    std::map<std::string, Doubles> out;
    for (const auto& [name, parameter] : parameters_of(*model, true)) out[name] = doubles(parameter.grad().tensor());
    return out;
  };
  EXPECT_EQ(gradients(true), gradients(false));
}

// Gradients on the device, with dropout, next to those of the CPU; in bfloat16 within a tenth of the largest.
TEST_P(LowRankChanges, HaveTheGradientsOfTheCpuOnADevice) {
  if (!cuda::available()) GTEST_SKIP() << cuda::unavailable_reason();
  const auto gradients = [&](Device device, DType dtype) {
    const auto model = changed_model(GetParam(), DType::kFloat32, 0.2F);
    set_low_rank_trainable(*model);
    place(*model, device, dtype);
    Tape tape;
    Variable loss;
    {
      const Tape::Recording recording(tape);
      const ForwardPass pass{.training = true, .seed = 3, .step = 9};
      loss = cross_entropy(model->forward(on_device(small_batch(), device), pass),
                           Tensor::from(std::vector<std::int32_t>{1, 0}, {2}).to(device));
    }
    tape.backward(loss);
    std::map<std::string, Doubles> out;
    for (const auto& [name, parameter] : parameters_of(*model, true)) out[name] = doubles(parameter.grad().tensor());
    return out;
  };
  const auto cpu = gradients(Device::kCpu, DType::kFloat32), device = gradients(Device::kCuda, DType::kFloat32),
             rounded = gradients(Device::kCuda, DType::kBFloat16);
  for (const auto& [name, expected] : cpu) {
    const Doubles &found = device.at(name), &found_rounded = rounded.at(name);
    ASSERT_EQ(found.size(), expected.size());
    ASSERT_EQ(found_rounded.size(), expected.size());
    double size = 0;
    for (const double x : expected) size = std::max(size, std::abs(x));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(found[i], expected[i], 1e-6 + 1e-4 * size) << name;
      EXPECT_NEAR(found_rounded[i], expected[i], 1e-4 + 0.1 * size) << name;
    }
  }
}

TEST_P(LowRankChanges, AreThoseOfTheCpuOnADevice) {
  if (!cuda::available()) GTEST_SKIP() << cuda::unavailable_reason();
  const auto model = changed_model(GetParam(), DType::kFloat32, 0.2F);
  const ForwardPass pass{.training = true, .seed = 5, .step = 2};
  const Doubles expected = logits_of(*model, small_batch(), pass);
  place(*model, Device::kCuda, DType::kFloat32);
  const Doubles found = logits_of(*model, on_device(small_batch(), Device::kCuda), pass);
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-5);
}

// The bits of the whole sum, also where a fused layer is several tensors of the file.
TEST_P(LowRankChanges, AreSavedAsTheSumOfTheWholeLayer) {
  const auto model = changed_model(GetParam(), DType::kFloat32);
  const TempDir folder;
  AtomicFile written(folder / "model.safetensors");
  save_weights(*model, written, {});
  written.commit();
  const SafetensorsFile file(folder / "model.safetensors");
  int changed = 0;
  for (const ParameterRow& row : model->table().rows()) {
    if (row.change == nullptr || row.role == Role::kLowRank) continue;
    const Tensor sum = row.parameter.value().clone();
    ops::scale({sum, GradMode::kAccumulate}, row.change->product());
    const SafetensorsEntry* entry = file.find(row.hf_name);
    ASSERT_NE(entry, nullptr) << row.hf_name;
    Doubles expected = doubles(row.part_of(sum)), found = doubles(file.read(*entry, DType::kFloat32));
    if (row.transposed) {
      std::ranges::sort(expected);
      std::ranges::sort(found);
    }
    EXPECT_EQ(found, expected) << row.hf_name;
    ++changed;
  }
  EXPECT_GE(changed, 8);
}

// Queues of a device's work are of one thread.
TEST_P(LowRankChanges, HaveTheSameDigestOnADevice) {
  if (!cuda::available()) GTEST_SKIP() << cuda::unavailable_reason();
  const auto model = changed_model(GetParam(), DType::kFloat32);
  const std::string expected = weights_digest(*model), frozen = weights_digest(*model, true);
  place(*model, Device::kCuda, DType::kFloat32);
  const int threads = num_threads();
  set_num_threads(8);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(weights_digest(*model), expected);
    EXPECT_EQ(weights_digest(*model, true), frozen);
  }
  set_num_threads(threads);
}

INSTANTIATE_TEST_SUITE_P(Families, LowRankChanges,
                         ::testing::Values("bert", "distilbert", "roberta", "modernbert", "gpt2"),
                         [](const auto& family) { return family.param; });

TEST(LowRank, DropsInputsInTrainingOnly) {
  const auto model = changed_model("gpt2", DType::kFloat32);
  const auto dropping = random_model("gpt2");
  TorchGenerator generator(7);
  dropping->add_low_rank({.rank = 3, .alpha = 6, .dropout = 0.5F, .layers = kAllLayers}, generator);
  for (const ParameterRow& row : dropping->table().rows())
    if (row.role == Role::kLowRank) init::normal(generator, row.parameter.value(), 0.2F);
  const ForwardPass training{.training = true, .seed = 5, .step = 2};
  EXPECT_EQ(logits_of(*model, small_batch(), training), logits_of(*model, small_batch()));
  EXPECT_EQ(logits_of(*dropping, small_batch()), logits_of(*model, small_batch()));
  EXPECT_NE(logits_of(*dropping, small_batch(), training), logits_of(*dropping, small_batch()));
}

// What is merged is exact whatever products of the process round.
TEST(LowRank, ItsProductIsOfTheExactValues) {
  const auto model = changed_model("gpt2", DType::kFloat32);
  const auto product = [&] {
    for (const ParameterRow& row : model->table().rows())
      if (row.change != nullptr && row.change->a.defined()) return doubles(row.change->product());
    return Doubles();
  };
  const Doubles exact = product();
  ASSERT_FALSE(exact.empty());
  set_bfloat16_products(true);
  const Doubles rounding = product();
  set_bfloat16_products(false);
  EXPECT_EQ(rounding, exact);
}

TEST(LowRank, NeedsALayerOfTheModel) {
  const auto model = random_model("bert");
  TorchGenerator generator(7);
  EXPECT_EQ(message_of([&] { model->add_low_rank({.layers = {"gate"}}, generator); }),
            "no block of the model has a linear layer 'gate'");
  model->add_low_rank({.layers = {"fc"}}, generator);
  EXPECT_EQ(message_of([&] {
              model->add_low_rank({.layers = {"qkv", "fc"}}, generator);
            }),
            "blocks.0.fc has a low-rank change already");
}

}  // namespace
}  // namespace attune::testing
