// How texts become batches of a model: chosen by the training program, kept in the saved config.json, used again by
// predict, so that a text gets the logits that the trainer's evaluation gave it.
#pragma once

#include <cstdint>
#include <string>

#include "engine/nn/example_store.h"
#include "json/value.h"

namespace attune {

struct InputForm {
  std::int64_t max_length = 0;  // tokens per text, special tokens included; 0: no limit
  bool fill = false;            // every text is padded to max_length, and the model reads the padding
  bool mask_padding = false;    // attention does not see padding
  std::int32_t pad_id = 0;

  /// As the keys attune_* of a config.json.
  json::Value to_json() const;
  /// From the config.json of a model; without the keys, as the ecosystem's classes take texts: whole up to the model's
  /// positions, nothing padded.
  static InputForm read(const json::Value& config, std::int64_t positions, std::int64_t vocab_size);
  BatchForm batch_form() const;
};

}  // namespace attune
