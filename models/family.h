// The description of a family of architectures for the registry (models/registry.h).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "json/value.h"
#include "models/classifier.h"
#include "models/weights.h"

namespace attune {

/// Options of a run that override config.json. Options of a single family are keys of its config.json.
struct ModelOptions {
  DType dtype = DType::kFloat32;
  std::optional<std::int64_t> num_labels = {};
  std::optional<float> dropout = {};  // at every site of the model
  Head head = Head::kFromFile;        // kFresh: initialize_head()'s
};

/// A published checkpoint: its name here, and the ids that its repository on the Hugging Face hub has or had.
struct PublishedModel {
  std::string name;
  std::vector<std::string> repositories;
};

struct Family {
  enum class Kind : std::uint8_t { kDecoder, kEncoder };

  Kind kind;
  std::vector<std::string> model_types;  // in config.json
  std::unique_ptr<Classifier> (*build)(const json::Value& config, const ModelOptions& options);
  std::vector<PublishedModel> published;
};

}  // namespace attune
