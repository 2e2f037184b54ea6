// A small model of every family.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/io/safetensors.h"
#include "models/registry.h"
#include "models/weights.h"

namespace attune::testing {

/// config.json by model_type.
inline const std::map<std::string, std::string>& small_configs() {
  static const std::map<std::string, std::string> configs = {
      {"bert",
       R"({"model_type": "bert", "vocab_size": 31, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3,
                   "intermediate_size": 40, "max_position_embeddings": 20, "pad_token_id": 3})"},
      {"distilbert",
       R"({"model_type": "distilbert", "vocab_size": 31, "dim": 24, "n_layers": 2, "n_heads": 3, "hidden_dim": 40,
                         "max_position_embeddings": 20})"},
      {"roberta",
       R"({"model_type": "roberta", "vocab_size": 31, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3,
                      "intermediate_size": 40, "max_position_embeddings": 22, "type_vocab_size": 1, "pad_token_id": 1})"},
      {"modernbert",
       R"({"model_type": "modernbert", "vocab_size": 31, "hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 3,
                         "intermediate_size": 40, "max_position_embeddings": 20, "pad_token_id": 2, "local_attention": 6})"},
      {"gpt2",
       R"({"model_type": "gpt2", "vocab_size": 31, "n_embd": 24, "n_layer": 2, "n_head": 3, "n_positions": 20})"}};
  return configs;
}

inline json::Value config_of(const std::string& family, const json::Value& changes = json::Value::object()) {
  json::Value config = json::parse(small_configs().at(family), "config.json");
  config.merge(changes);
  return config;
}

/// A model with every tensor at its family's random start.
inline std::unique_ptr<Classifier> random_model(const std::string& family, const ModelOptions& options = {},
                                                const json::Value& changes = json::Value::object()) {
  auto model = build_classifier(config_of(family, changes), options);
  TorchGenerator generator(5);
  std::vector<std::string> names;
  for (const ParameterRow& row : model->table().rows()) names.push_back(row.hf_name);
  initialize_rows(*model, names, generator);
  return model;
}

/// Copies of all tensors of a model, by their Hugging Face names.
inline std::vector<NamedTensor> tensors_of(const Classifier& model) {
  std::vector<NamedTensor> out;
  for_each_hf_tensor(
      model, [](const Parameter& p) { return p.value(); },
      [&](const std::string& name, const Tensor& values) {
        out.push_back({name, values.clone()});
      });
  return out;
}

}  // namespace attune::testing
