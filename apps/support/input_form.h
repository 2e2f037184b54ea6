// How texts become batches of a model: chosen by the training program, kept in the saved config.json, used again by
// predict, so that a text gets the logits that the trainer's evaluation gave it.
#pragma once

#include <cstdint>
#include <string>

#include "engine/nn/example_store.h"
#include "models/config_reader.h"

namespace attune {

struct InputForm {
  std::int64_t max_length = 0;  // tokens per text, special tokens included; 0: no limit
  bool fill = false;            // every text is padded to max_length, and the model reads the padding
  bool mask_padding = false;    // attention does not see padding
  std::int32_t pad_id = 0;

  /// As the keys attune_* of a config.json.
  ConfigChanges config_changes() const;
  /// From a config.json; without the keys, as the ecosystem's classes take texts: whole up to `model_positions`,
  /// nothing padded.
  static InputForm read(const ConfigReader& config, std::int64_t model_positions);
  BatchForm batch_form() const;
};

}  // namespace attune
