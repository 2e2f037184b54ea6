// Every family with its blocks computed again in the backward pass: the same bits, in less memory.
#include <gtest/gtest.h>

#include "engine/autograd/functions.h"
#include "engine/tensor/context.h"
#include "kernels/cuda/device_info.h"
#include "tests/models/small_models.h"
#include "tests/support/token_batches.h"

namespace attune::testing {
namespace {

const std::map<std::string, std::string>& layers_keys() {
  static const std::map<std::string, std::string> keys = {{"bert", "num_hidden_layers"},
                                                          {"distilbert", "n_layers"},
                                                          {"roberta", "num_hidden_layers"},
                                                          {"modernbert", "num_hidden_layers"},
                                                          {"gpt2", "n_layer"}};
  return keys;
}

struct Precision {
  const char* name;
  Device device;
  DType dtype;
};

class Recomputed : public ::testing::TestWithParam<Precision> {
 protected:
  void SetUp() override {
    if (device() == Device::kCuda && !cuda::available()) GTEST_SKIP() << cuda::unavailable_reason();
  }
  static Device device() { return GetParam().device; }
  static std::size_t bytes_in_use() { return device() == Device::kCpu ? host_memory().in_use : cuda_memory().in_use; }
  static std::size_t peak() { return device() == Device::kCpu ? host_memory().peak : cuda_memory().peak; }
  static void reset_peak() { device() == Device::kCpu ? reset_host_memory_peak() : reset_cuda_memory_peak(); }

  static std::unique_ptr<Classifier> placed_model(const std::string& family,
                                                  const json::Value& changes = json::Value::object()) {
    auto model = random_model(family, {.dropout = 0.2F}, changes);
    place(*model, device(), GetParam().dtype);
    return model;
  }
  static TokenBatch batch() {
    return on_device(
        packed_batch(std::vector<std::int32_t>{5, 6, 7, 8, 9, 10, 11, 12, 13}, std::vector<std::int32_t>{4, 5}),
        device());
  }
  // Forward and backward: the loss; gradients stay in the parameters.
  static Tensor pass_through(const Classifier& model, const TokenBatch& batch, bool recompute) {
    const Tensor labels = Tensor::from(std::vector<std::int32_t>{1, 0}, {2}).to(device());
    Tape tape;
    Variable loss;
    {
      const Tape::Recording recording(tape);
      const ForwardPass pass{.training = true, .seed = 3, .step = 9, .step_at = {}, .recompute = recompute};
      loss = cross_entropy(model.forward(batch, pass), labels);
    }
    tape.backward(loss);
    return loss.value();
  }
};

std::vector<std::byte> bytes_of(const Tensor& x) {
  if (!x.defined()) return {};
  const Tensor host = x.to(Device::kCpu);
  const auto* bytes = static_cast<const std::byte*>(host.raw());
  return {bytes, bytes + host.bytes()};
}

TEST_P(Recomputed, LossAndGradientsAreTheSameBits) {
  for (const auto& [family, config] : small_configs()) {
    const auto model = placed_model(family);
    for (const TrainableLayers layers : {TrainableLayers::kAll, TrainableLayers::kLastBlock}) {
      set_trainable(*model, layers);
      std::map<std::string, std::vector<std::byte>> found[2];
      for (const bool recompute : {false, true}) {
        found[recompute]["loss"] = bytes_of(pass_through(*model, batch(), recompute));
        for (const auto& [name, parameter] : parameters_of(*model)) {
          found[recompute][name] = bytes_of(parameter.grad().tensor());
          EXPECT_EQ(found[recompute][name].empty(), !parameter.requires_grad()) << name;
          parameter.grad().clear();
        }
      }
      for (const auto& [name, bytes] : found[0]) EXPECT_TRUE(bytes == found[1].at(name)) << family << " " << name;
    }
  }
}

// Of a model of eight blocks: what lies between the memory before the step and its peak. Gradients are there before.
TEST_P(Recomputed, ThePeakIsLower) {
  for (const auto& [family, config] : small_configs()) {
    const auto model = placed_model(family, json::Value::object({{layers_keys().at(family), 8}}));
    const TokenBatch tokens = batch();
    pass_through(*model, tokens, false);
    std::size_t taken[2];
    for (const bool recompute : {false, true}) {
      const std::size_t before = bytes_in_use();
      reset_peak();
      pass_through(*model, tokens, recompute);
      taken[recompute] = peak() - before;
    }
    RecordProperty(family, std::to_string(taken[0]) + " bytes, recomputed " + std::to_string(taken[1]));
    EXPECT_LT(2 * taken[true], taken[false]) << family;
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, Recomputed,
                         ::testing::Values(Precision{"cpu_float32", Device::kCpu, DType::kFloat32},
                                           Precision{"cuda_float32", Device::kCuda, DType::kFloat32},
                                           Precision{"cuda_bfloat16", Device::kCuda, DType::kBFloat16}),
                         [](const auto& precision) { return std::string(precision.param.name); });

}  // namespace
}  // namespace attune::testing
