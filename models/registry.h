// Opens any Hugging Face folder whose architecture attune has, as a classifier.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/torch_random.h"
#include "models/classifier.h"
#include "models/gpt2/gpt2.h"
#include "models/weights.h"

namespace attune {

/// What a run may set otherwise than config.json does.
struct ModelOptions {
  DType dtype = DType::kFloat32;
  std::optional<std::int64_t> num_labels = {};
  std::optional<float> dropout = {};          // at every site of the model
  Head head = Head::kFromFile;                // kFresh: initialize_head()'s
  std::optional<HeadPosition> position = {};  // GPT-2 only
  std::optional<bool> causal = {};            // GPT-2 only
};

/// The model of a config.json, its parameters not filled. Throws Error naming an architecture that is not among gpt2,
/// bert, distilbert, roberta, modernbert, or a problem_type that is not single_label_classification.
std::unique_ptr<Classifier> build_classifier(const json::Value& config, const ModelOptions& options);

/// A model read from a folder.
struct OpenedClassifier {
  std::unique_ptr<Classifier> model;
  std::vector<std::string> label_names;  // by class; empty where config.json does not say
  LoadReport report;                     // `missing` have been given initial values

  /// Whether the file had all weights, so that the model can predict as it is.
  bool complete() const;
};
/// Reads config.json and model.safetensors of a folder; tensors that the file lacks (heads) get random values.
OpenedClassifier open_classifier(const std::string& folder, const ModelOptions& options, TorchGenerator& generator);

}  // namespace attune
