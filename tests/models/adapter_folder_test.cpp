// The folder of low-rank changes alone: base weights plus alpha / r B A are the merged weights of every family, under the
// names that the Hugging Face classes have.
#include "models/adapter_folder.h"

#include <gtest/gtest.h>

#include "engine/io/safetensors.h"
#include "engine/nn/init.h"
#include "tests/models/small_models.h"
#include "tests/support/data.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

constexpr std::int64_t kRank = 3;

std::unique_ptr<Classifier> trained_model(const std::string& family,
                                          const json::Value& changes = json::Value::object()) {
  auto model = random_model(family, {}, changes);
  TorchGenerator generator(7);
  model->add_low_rank({.rank = kRank, .alpha = 6, .dropout = 0.25F, .layers = {"qkv", "fc_out"}}, generator);
  for (const ParameterRow& row : model->table().rows())
    if (row.role == Role::kLowRank || row.head) init::normal(generator, row.parameter.value(), 0.2F);
  set_low_rank_trainable(*model);
  return model;
}

std::map<std::string, std::vector<float>> read(const std::string& path) {
  const SafetensorsFile file(path);
  std::map<std::string, std::vector<float>> out;
  for (const SafetensorsEntry& entry : file.entries()) {
    const Tensor values = file.read(entry, DType::kFloat32);
    out[entry.name].assign(values.values<float>().begin(), values.values<float>().end());
  }
  return out;
}

class AdapterFolder : public ::testing::TestWithParam<std::string> {};

TEST_P(AdapterFolder, GivesTheMergedWeights) {
  const auto model = trained_model(GetParam());
  const TempDir folder;
  adapter_files(*model, folder.path().string(), "the/base").commit();
  AtomicFile file(folder / "merged.safetensors");
  save_weights(*model, file, {});
  file.commit();
  const json::Value config = json::read(folder / "adapter_config.json");
  EXPECT_EQ(config["base_model_name_or_path"].string(), "the/base");
  EXPECT_EQ(config["r"].integer(), kRank);
  EXPECT_EQ(config["lora_alpha"].number(), 6);
  EXPECT_EQ(config["lora_dropout"].number(), 0.25);
  const bool transposed = config["fan_in_fan_out"].boolean();
  EXPECT_EQ(transposed, GetParam() == "gpt2");

  std::map<std::string, std::vector<float>> expected = read(folder / "merged.safetensors"),
                                            adapter = read(folder / "adapter_model.safetensors"), base;
  for (const NamedTensor& tensor : tensors_of(*model)) {
    base[tensor.name].assign(tensor.tensor.values<float>().begin(), tensor.tensor.values<float>().end());
  }
  const std::string prefix = "base_model.model.";
  std::size_t used = 0, changed = 0;
  for (const json::Value& target : config["target_modules"].items()) {
    const std::string module = target.string();
    const std::vector<float>&a = adapter.at(prefix + module + ".lora_A.weight"),
          &b = adapter.at(prefix + module + ".lora_B.weight");
    used += 2;
    std::vector<float>& weight = base.at(module + ".weight");
    const std::size_t inputs = a.size() / kRank, outputs = b.size() / kRank;
    ASSERT_EQ(weight.size(), inputs * outputs) << module;
    for (std::size_t o = 0; o < outputs; ++o)
      for (std::size_t i = 0; i < inputs; ++i) {
        double sum = 0;
        for (std::size_t k = 0; k < kRank; ++k) sum += b[o * kRank + k] * a[k * inputs + i];
        weight[transposed ? i * outputs + o : o * inputs + i] += static_cast<float>(2 * sum);  // alpha / r = 2
      }
    ++changed;
  }
  EXPECT_EQ(changed, GetParam() == "modernbert" ? 8U : GetParam() == "gpt2" ? 4U : 8U);
  for (auto& [name, values] : adapter)  // what is trained whole
    if (name.find(".lora_") == std::string::npos) base[name.substr(prefix.size())] = values, ++used;
  base.erase("score.bias");
  EXPECT_EQ(used, adapter.size());
  ASSERT_EQ(base.size(), expected.size());
  for (const auto& [name, values] : expected) {
    ASSERT_EQ(base.at(name).size(), values.size()) << name;
    for (std::size_t i = 0; i < values.size(); ++i) ASSERT_NEAR(base.at(name)[i], values[i], 1e-6) << name << " " << i;
  }
  bool classifier = false;
  for (const json::Value& module : config["modules_to_save"].items())
    classifier = classifier || module.string() == (GetParam() == "gpt2" ? "score" : "classifier");
  EXPECT_TRUE(classifier);
}

INSTANTIATE_TEST_SUITE_P(Families, AdapterFolder,
                         ::testing::Values("bert", "distilbert", "roberta", "modernbert", "gpt2"),
                         [](const auto& family) { return family.param; });

TEST(AdapterFolderErrors, NameWhatCannotBeSaved) {
  const TempDir folder;
  EXPECT_EQ(message_of([&] { (void)adapter_files(*random_model("bert"), folder.path().string(), "base"); }),
            "the model has no low-rank change to save");
  const auto infinite = trained_model("bert");
  for (const ParameterRow& row : infinite->table().rows())
    if (row.name == "blocks.0.qkv.lora_b") row.parameter.value().values<float>()[0] = INFINITY;
  EXPECT_NE(message_of([&] {
              (void)adapter_files(*infinite, folder.path().string(), "base");
            }).find("attention.self.query.lora_B.weight' holds values that are not finite"),
            std::string::npos);
  // More classes than channels: GPT-2's bias stays, and its class has none.
  auto many = build_classifier(config_of("gpt2"), {.num_labels = 30});
  TorchGenerator generator(7);
  many->initialize_head(generator);
  many->add_low_rank({.layers = {"qkv"}}, generator);
  set_low_rank_trainable(*many);
  EXPECT_NE(
      message_of([&] { (void)adapter_files(*many, folder.path().string(), "base"); }).find("the bias of the head"),
      std::string::npos);
}

}  // namespace
}  // namespace attune::testing
