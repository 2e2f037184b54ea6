// Parameters from and to Hugging Face checkpoints.
//
// The loader accepts variants of names (with or without the family's prefix, LayerNorm.gamma / beta), but it is strict
// about content: every parameter must be found with its shape, and unknown tensors are reported.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/io/safetensors.h"
#include "models/classifier.h"

namespace attune {

/// The differences between a checkpoint and a model.
struct LoadReport {
  std::vector<std::string> missing;  // optional tensors that were absent, by row: their parameters keep their values
  std::vector<std::string> unused;   // tensors of the file that belong to no parameter
};

/// The source of the last layer: the file, or none (the caller creates a new one).
enum class Head : std::uint8_t { kFromFile, kFresh };

/// Fills a model's parameters from the weights of a folder (models/weight_files.h) whose config.json is `config`.
/// Throws Error naming the tensor if its shape is another or a value is not finite, or if weights and config come from
/// different saves.
LoadReport load_weights(const Classifier& model, const std::string& folder, const json::Value& config,
                        Head head = Head::kFromFile);

/// Gives the named rows of the table (ParameterRow::hf_name, as in LoadReport::missing) the initial values of their
/// family, in the table's order.
void initialize_rows(const Classifier& model, const std::vector<std::string>& hf_names, TorchGenerator& generator);
/// Writes model.safetensors as the ecosystem's class of the family reads it (low-rank changes are merged), to a file
/// that the caller commits. Throws Error naming the tensor if a value is not finite.
void save_weights(const Classifier& model, AtomicFile& file, const Metadata& metadata);

/// SHA-256 of the exact values of all parameters, or of the frozen ones alone.
std::string weights_digest(const Classifier& model, bool frozen_only = false);

/// Calls visit(name, values) for each row of the table, both as the Hugging Face file has them (rows cut out,
/// transposed; without low-rank changes). `select` returns the tensor of a parameter to visit, its value or its
/// gradient; an undefined tensor is skipped.
void for_each_hf_tensor(const Classifier& model, const std::function<Tensor(const Parameter&)>& select,
                        const std::function<void(const std::string& hf_name, const Tensor& values)>& visit);

}  // namespace attune
