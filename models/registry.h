// Opens a Hugging Face folder of any supported architecture as a classifier. A new family needs its folder and an entry
// in registry.cpp (docs/tour.md).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/torch_random.h"
#include "models/family.h"

namespace attune {

/// The published checkpoints of all families of a kind.
std::vector<PublishedModel> published_models(Family::Kind kind);

/// The family of a config.json. Throws Error listing the architectures if it is of none of them.
const Family& family_of(const json::Value& config);
/// The model of a config.json, its parameters not filled. Throws Error as family_of does.
std::unique_ptr<Classifier> build_classifier(const json::Value& config, const ModelOptions& options);

/// A model read from a folder.
struct OpenedClassifier {
  std::unique_ptr<Classifier> model;
  std::vector<std::string> label_names;  // by class; empty if config.json does not say
  LoadReport report;                     // `missing` have been given initial values

  /// Whether the file had all weights, so that the model can predict as it is.
  bool complete() const;
};
/// The model that config.json of a folder describes, as read_model_config() gave it, with the weights of the folder;
/// tensors that the file lacks (heads) get random values. Throws Error if weights and config come from different saves.
OpenedClassifier open_classifier(const std::string& folder, const json::Value& config, const ModelOptions& options,
                                 TorchGenerator& generator);

/// What its config.json says of a model, before any weight is read.
struct ModelLimits {
  std::int64_t max_length, vocab_size;  // of a text, in tokens
};
ModelLimits limits_of(const json::Value& config);

}  // namespace attune
