// The folder of low-rank changes alone, as the peft library reads it: adapter_config.json and
// adapter_model.safetensors.
#pragma once

#include <array>
#include <string>

#include "engine/io/file_set.h"
#include "models/classifier.h"

namespace attune {

/// Its files.
inline constexpr std::array<const char*, 2> kAdapterFiles = {"adapter_config.json", "adapter_model.safetensors"};

/// The files of a model's low-rank changes and of its other trained layers, for a base model of this name or folder,
/// ready to be committed to a folder that exists. The layers of a fused projection share their matrix A. Throws
/// IoError, and Error if the model has no low-rank change, if a value is not finite, or if the Hugging Face class has
/// no place for a trained tensor.
FileSet adapter_files(const Classifier& model, const std::string& folder, const std::string& base_model);

}  // namespace attune
