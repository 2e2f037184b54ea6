// Folders of every family: what config.json may say, what a checkpoint may lack or spell otherwise, and the errors that name the rest.
#include "models/registry.h"
#include "models/model_folder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>

#include "engine/io/safetensors.h"
#include "models/hf_config.h"
#include "tests/models/small_models.h"
#include "tests/support/data.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

const ParameterRow& row_of(const Classifier& model, const std::string& hf_name) {
  return *std::ranges::find(model.table().rows(), hf_name, &ParameterRow::hf_name);
}

class Folder {
 public:
  Folder(const std::string& config, const std::vector<NamedTensor>& tensors) {
    std::ofstream(dir_ / "config.json") << config;
    write_safetensors(dir_ / "model.safetensors", tensors, {{"format", "pt"}});
  }
  std::string path() const { return dir_.path().string(); }
  OpenedClassifier open(const ModelOptions& options = {}) const {
    TorchGenerator generator(9);
    return open_classifier(path(), read_model_config(path()), options, generator);
  }

 private:
  TempDir dir_;
};

class EveryFamily : public ::testing::TestWithParam<const char*> {};

TEST_P(EveryFamily, ValuesThatAreNotFiniteAreNotSaved) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    const auto model = random_model(GetParam());
    const ParameterRow& spoilt = model->table().rows().back();
    spoilt.parameter.value().values<float>().back() = bad;
    const TempDir folder;
    EXPECT_EQ(message_of([&] {
                AtomicFile file(folder / "model.safetensors");
                save_weights(*model, file, {});
              }),
              (folder / "model.safetensors") + ": not written: the tensor '" + spoilt.hf_name +
                  "' holds values that are not finite");
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  }
}

// The same tensors in shards, as the Hugging Face libraries save large models.
TEST_P(EveryFamily, ShardsAreOneModel) {
  const auto tensors = tensors_of(*random_model(GetParam()));
  const Folder whole(small_configs().at(GetParam()), tensors), parts(small_configs().at(GetParam()), {});
  std::filesystem::remove(parts.path() + "/model.safetensors");
  const auto middle = tensors.begin() + std::ssize(tensors) / 2;
  json::Value map = json::Value::object();
  for (const auto& [name, part] : {std::pair{"model-00001-of-00002.safetensors", std::vector(tensors.begin(), middle)},
                                   {"model-00002-of-00002.safetensors", std::vector(middle, tensors.end())}}) {
    for (const NamedTensor& tensor : part) map.set(tensor.name, name);
    write_safetensors(parts.path() + "/" + name, part, {{"format", "pt"}});
  }
  const std::string index = parts.path() + "/model.safetensors.index.json";
  write_file(index, json::Value::object({{"weight_map", map}}).dump());
  const OpenedClassifier one = whole.open(), several = parts.open();
  EXPECT_TRUE(several.complete());
  const auto expected = tensors_of(*one.model), found = tensors_of(*several.model);
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_TRUE(std::ranges::equal(expected[i].tensor.values<float>(), found[i].tensor.values<float>()))
        << expected[i].name;

  map.set(tensors.front().name, "model-00002-of-00002.safetensors");
  write_file(index, json::Value::object({{"weight_map", map}}).dump());
  EXPECT_EQ(message_of([&] { parts.open(); }), parts.path() + "/model-00002-of-00002.safetensors: has no tensor '" +
                                                   tensors.front().name + "', which " + index + " says is in it");
  map.set(tensors.front().name, "../model.safetensors");
  write_file(index, json::Value::object({{"weight_map", map}}).dump());
  EXPECT_NE(message_of([&] { parts.open(); }).find("'../model.safetensors' is not the name of a .safetensors file"),
            std::string::npos);
}

TEST(OtherWeights, AreNamed) {
  const Folder folder(small_configs().at("bert"), {});
  const std::string weights = folder.path() + "/model.safetensors";
  std::filesystem::remove(weights);
  EXPECT_EQ(message_of([&] { folder.open(); }), weights + ": No such file or directory");
  write_file(folder.path() + "/pytorch_model.bin", "pickle");
  EXPECT_EQ(message_of([&] { folder.open(); }),
            folder.path() +
                ": has no model.safetensors; attune does not read pytorch_model.bin (save_pretrained(folder) "
                "of the Hugging Face libraries writes model.safetensors)");
  write_file(weights, "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n");
  EXPECT_EQ(message_of([&] { folder.open(); }),
            weights + ": is a pointer of Git LFS, not the file itself (git lfs pull fetches it)");
  std::filesystem::remove(weights);
  ASSERT_EQ(mkfifo(weights.c_str(), 0600), 0);
  EXPECT_EQ(message_of([&] { folder.open(); }), weights + ": is not a regular file");
}

// The bias of GPT-2's head needs no square of the number of classes.
TEST(Gpt2Export, ManyClasses) {
  const auto model = random_model("gpt2", {.num_labels = 200'000});
  const TempDir folder;
  AtomicFile file(folder / "model.safetensors");
  save_weights(*model, file, {});
  file.commit();
  EXPECT_NE(SafetensorsFile(folder / "model.safetensors").find("score.bias"), nullptr);
}

TEST_P(EveryFamily, ASavedFolderComesBack) {
  const auto model = random_model(GetParam(), {.num_labels = 3, .dropout = 0.1F});
  const auto tensors = tensors_of(*model);
  const std::vector<std::string> labels = {"bad", "so so", "good \"very\""};
  json::Value config = model->hf_config();
  set_label_names(config, labels);
  const Folder folder(config.dump(), tensors);
  const OpenedClassifier opened = folder.open();
  EXPECT_EQ(opened.label_names, labels);
  EXPECT_EQ(opened.report.missing, std::vector<std::string>{});
  EXPECT_EQ(opened.report.unused, std::vector<std::string>{});
  EXPECT_EQ(opened.model->hf_config().dump(), model->hf_config().dump());
  const auto again = tensors_of(*opened.model), once = tensors_of(*model);
  ASSERT_EQ(again.size(), once.size());
  for (std::size_t i = 0; i < once.size(); ++i) {
    EXPECT_EQ(again[i].name, once[i].name);
    EXPECT_TRUE(std::ranges::equal(again[i].tensor.values<float>(), once[i].tensor.values<float>())) << once[i].name;
  }
}

TEST_P(EveryFamily, ABackboneAloneGetsAHead) {
  const auto model = random_model(GetParam());
  std::vector<NamedTensor> backbone;
  std::vector<std::string> head;
  for (NamedTensor& tensor : tensors_of(*model)) {
    if (row_of(*model, tensor.name).optional)
      head.push_back(tensor.name);
    else
      backbone.push_back(tensor);
  }
  const OpenedClassifier opened = Folder(small_configs().at(GetParam()), backbone).open({.num_labels = 4});
  EXPECT_EQ(opened.report.missing, head);
  EXPECT_FALSE(opened.complete());
  EXPECT_EQ(opened.model->num_labels(), 4);
  for (const NamedTensor& tensor : tensors_of(*opened.model)) {
    const bool zero = std::ranges::all_of(tensor.tensor.values<float>(), [](float v) { return v == 0; });
    EXPECT_EQ(zero, tensor.name.ends_with("bias")) << tensor.name;
  }
}

TEST_P(EveryFamily, AFreshHeadTakesNothingFromTheFile) {
  const auto model = random_model(GetParam(), {.num_labels = 3});
  const Folder folder(small_configs().at(GetParam()), tensors_of(*model));
  const std::string refused = message_of([&] { folder.open({.num_labels = 5}); });
  EXPECT_NE(refused.find("has shape [3, 24] where [5, 24] is needed"), std::string::npos) << refused;
  const OpenedClassifier opened = folder.open({.num_labels = 5, .head = Head::kFresh});
  EXPECT_TRUE(opened.complete());
  EXPECT_EQ(opened.report.unused, std::vector<std::string>{});
  for (const NamedTensor& tensor : tensors_of(*opened.model)) {
    const bool head = row_of(*opened.model, tensor.name).head;
    EXPECT_EQ(head, tensor.tensor.shape()[0] == 5) << tensor.name;
    if (head && tensor.name.ends_with("weight")) {
      EXPECT_TRUE(std::ranges::any_of(tensor.tensor.values<float>(), [](float v) { return v != 0; })) << tensor.name;
    }
  }
}

TEST_P(EveryFamily, MissingAndMisshapenTensorsAreNamed) {
  const auto model = random_model(GetParam());
  const std::string victim = model->table().rows()[3].hf_name;
  auto tensors = tensors_of(*model);
  const auto found = std::ranges::find(tensors, victim, &NamedTensor::name);
  found->tensor = Tensor::zeros({7}, DType::kFloat32);
  const std::string misshapen = message_of([&] { Folder(small_configs().at(GetParam()), tensors).open(); });
  EXPECT_NE(misshapen.find("'" + victim + "' has shape [7]"), std::string::npos) << misshapen;
  EXPECT_NE(misshapen.find("model.safetensors"), std::string::npos) << misshapen;
  tensors.erase(found);
  const std::string missing = message_of([&] { Folder(small_configs().at(GetParam()), tensors).open(); });
  EXPECT_NE(missing.find("the tensor '" + victim + "' is missing"), std::string::npos) << missing;
}

TEST_P(EveryFamily, AStrangeTensorIsReportedAndATwoFoldOneRefused) {
  const auto model = random_model(GetParam());
  auto tensors = tensors_of(*model);
  tensors.push_back({"something.else", Tensor::zeros({2}, DType::kFloat32)});
  EXPECT_EQ(Folder(small_configs().at(GetParam()), tensors).open().report.unused,
            std::vector<std::string>{"something.else"});
  tensors.back().name = tensors.front().name.substr(model->hf_files().prefix.size());
  tensors.back().tensor = tensors.front().tensor;
  const std::string twice = message_of([&] { Folder(small_configs().at(GetParam()), tensors).open(); });
  EXPECT_NE(twice.find("are two spellings of one"), std::string::npos) << twice;
}

INSTANTIATE_TEST_SUITE_P(Families, EveryFamily,
                         ::testing::Values("bert", "distilbert", "roberta", "modernbert", "gpt2"),
                         [](const auto& family) { return std::string(family.param); });

TEST(Registry, NamesTheArchitecturesItHas) {
  const std::string message = message_of([] {
    (void)build_classifier(config_of("bert", json::Value::object({{"model_type", "deberta-v2"}})), {});
  });
  EXPECT_NE(message.find("'deberta-v2' is not supported (gpt2, bert, distilbert, roberta, modernbert are)"),
            std::string::npos)
      << message;
}

TEST(Registry, RefusesWhatWouldChangeTheArithmetic) {
  struct Case {
    const char *family, *key, *value;
  };
  for (const auto& [family, key, value] :
       std::vector<Case>{{"bert", "hidden_act", "\"silu\""},
                         {"bert", "position_embedding_type", "\"relative_key\""},
                         {"bert", "is_decoder", "true"},
                         {"bert", "add_cross_attention", "true"},
                         {"bert", "num_attention_heads", "5"},
                         {"bert", "pad_token_id", "31"},
                         {"bert", "hidden_dropout_prob", "1"},
                         {"bert", "layer_norm_eps", "0"},
                         {"bert", "vocab_size", "0"},
                         {"bert", "vocab_size", "16777217"},
                         {"bert", "vocab_size", "36893488147419103232"},
                         {"bert", "hidden_size", "1048577"},
                         {"bert", "num_hidden_layers", "1025"},
                         {"bert", "num_hidden_layers", "2.0"},
                         {"gpt2", "n_embd", "2147483648"},
                         {"gpt2", "layer_norm_epsilon", "0"},
                         {"distilbert", "sinusoidal_pos_embds", "true"},
                         {"distilbert", "activation", "\"swish\""},
                         {"distilbert", "n_heads", "7"},
                         {"roberta", "position_embedding_type", "\"relative_key_query\""},
                         {"roberta", "max_position_embeddings", "2"},
                         {"modernbert", "norm_bias", "true"},
                         {"modernbert", "attention_bias", "true"},
                         {"modernbert", "mlp_bias", "true"},
                         {"modernbert", "classifier_bias", "true"},
                         {"modernbert", "classifier_pooling", "\"max\""},
                         {"modernbert", "layer_types", R"(["full_attention"])"},
                         {"modernbert", "layer_types", R"(["chunked_attention"])"},
                         {"modernbert", "rope_parameters", R"({"full_attention": {"rope_type": "yarn"}})"},
                         {"modernbert", "rope_scaling", R"({"type": "linear"})"},
                         {"modernbert", "global_attn_every_n_layers", "0"},
                         {"modernbert", "global_rope_theta", "-1"},
                         {"modernbert", "initializer_cutoff_factor", "3"},
                         {"modernbert", "hidden_activation", "\"silu\""}}) {
    const std::string message = message_of([&, f = family, k = key, v = value] {
      (void)build_classifier(config_of(f, json::Value::object({{k, json::parse(v, "value")}})), {});
    });
    EXPECT_TRUE(message.starts_with("config.json: ")) << message;
    EXPECT_NE(message.find(key), std::string::npos) << key << ": " << message;
  }
}

TEST(Registry, LegacySpellingAndForeignHeadsAreUnderstood) {
  const auto model = random_model("bert");
  auto tensors = tensors_of(*model);
  for (NamedTensor& tensor : tensors) {
    if (tensor.name.ends_with("LayerNorm.weight")) tensor.name.replace(tensor.name.size() - 6, 6, "gamma");
    if (tensor.name.ends_with("LayerNorm.bias")) tensor.name.replace(tensor.name.size() - 4, 4, "beta");
    if (tensor.name.starts_with("bert.encoder.")) tensor.name.erase(0, 5);  // some with the prefix, some without
  }
  tensors.push_back({"cls.predictions.transform.LayerNorm.gamma", Tensor::zeros({24}, DType::kFloat32)});
  tensors.push_back({"bert.embeddings.position_ids", Tensor::zeros({1, 20}, DType::kFloat32)});
  const OpenedClassifier opened = Folder(small_configs().at("bert"), tensors).open();
  EXPECT_EQ(opened.report.missing, std::vector<std::string>{});
  EXPECT_EQ(opened.report.unused, std::vector<std::string>{});
}

// Transformers 4 says which layers are global by their distance, transformers 5 by name; both mean one model.
TEST(Registry, BothSpellingsOfModernBertsLayersAgree) {
  const auto model = [](const char* changes) {
    return build_classifier(config_of("modernbert", json::parse(changes, "changes")), {});
  };
  const auto old = model(R"({"global_attn_every_n_layers": 2, "global_rope_theta": 5000, "local_rope_theta": 700})");
  const auto recent = model(R"({"layer_types": ["full_attention", "sliding_attention", "full_attention",
                                                "sliding_attention"],
                                "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 5000},
                                                    "sliding_attention": {"rope_type": "default", "rope_theta": 700.0}}})");
  EXPECT_EQ(old->hf_config().dump(), recent->hf_config().dump());
}

// Before the first table is allocated, and so before a machine runs out of memory table by table.
TEST(Registry, AModelBeyondTheMemoryIsRefusedAtOnce) {
  const std::int64_t wide = 1 << 20, many = 1 << 10;
  const std::map<std::string, json::Value> huge = {
      {"gpt2", json::Value::object({{"n_embd", wide}, {"n_head", 1}, {"n_layer", many}})},
      {"bert", json::Value::object({{"hidden_size", wide}, {"num_attention_heads", 1}, {"num_hidden_layers", many}})},
      {"modernbert",
       json::Value::object({{"hidden_size", wide}, {"num_attention_heads", 1}, {"num_hidden_layers", many}})}};
  for (const auto& [family, changes] : huge)
    EXPECT_TRUE(message_of([&] {
                  build_classifier(config_of(family, changes), {});
                }).starts_with("out of memory: the parameters of the model have about "))
        << family;
}

}  // namespace
}  // namespace attune::testing
