// The common keys of all Hugging Face config.json files: sizes, activations, classes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/ops/activation.h"
#include "json/value.h"

namespace attune {

// The largest sizes of a model: a table of kMaxRows by kMaxWidth has fewer than 2^63 bytes.
inline constexpr std::int64_t kMaxRows = std::int64_t{1} << 24;   // vocabulary, positions
inline constexpr std::int64_t kMaxWidth = std::int64_t{1} << 20;  // channels, heads, classes
inline constexpr std::int64_t kMaxLayers = std::int64_t{1} << 10;

/// A member that is an integer in [1, max]. Throws Error if it is missing or of another kind.
std::int64_t size_of(const json::Value& config, const std::string& key, std::int64_t max);
std::int64_t size_or(const json::Value& config, const std::string& key, std::int64_t fallback, std::int64_t max);

/// Throws Error naming the nearest known key if a key of attune's own, "attune_...", is not one that it reads.
void check_own_keys(const json::Value& config);

/// Parameters of a transformer's tables, with so many rows of `width` in all, and of the matrices of its blocks:
/// attention's four, and `mlp` of width x inner.
double parameter_count(std::int64_t rows, std::int64_t width, std::int64_t blocks, int mlp, std::int64_t inner);

/// A probability in [0, 1) as a float.
float dropout_or(const json::Value& config, const std::string& key, double fallback);

/// An activation by its Hugging Face name.
Activation activation_or(const json::Value& config, const std::string& key, Activation fallback);
/// The Hugging Face name of an activation that activation_or reads.
const char* hf_name(Activation activation);

/// An id of the vocabulary.
std::int64_t token_id_or(const json::Value& config, const std::string& key, std::int64_t fallback,
                         std::int64_t vocab_size);

/// Number of classes: of id2label, else num_labels, else `fallback`. Throws Error if the two contradict each other.
std::int64_t num_labels_or(const json::Value& config, std::int64_t fallback);
/// Names of the classes by id; empty if the file has none.
std::vector<std::string> label_names(const json::Value& config);
/// Sets id2label, label2id and num_labels. The names must differ.
void set_label_names(json::Value& config, const std::vector<std::string>& names);
/// Puts "LABEL_<id>" for missing names, the default of the Hugging Face libraries.
std::vector<std::string> complete_label_names(std::vector<std::string> names, std::int64_t num_labels);

}  // namespace attune
