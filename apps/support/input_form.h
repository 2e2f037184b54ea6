// The form of a model's batches as the keys attune_* of its config.json. The training program chooses it and predict
// uses it again, so that a text gets the same logits as in the trainer's evaluation.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/data/batch_form.h"
#include "json/value.h"

namespace attune {

/// mean or max.
const char* pooling_name(WindowPooling pooling);

/// The form as the keys attune_* of a config.json; those of windows only with windows.
json::Value batch_form_json(const BatchForm& form);
/// From the config.json of a model. Without the keys, as in the Hugging Face classes: texts are cut only at the model's
/// positions, and nothing is padded. Throws Error if the length or the padding id does not fit the model.
BatchForm read_batch_form(const json::Value& config, std::int64_t positions, std::int64_t vocab_size);
/// Whether a model is trained on batches whose padding attention sees, by its config.json; false if the file does not say.
bool sees_padding(const json::Value& config);
/// Whether a model is trained on pairs of texts, as a key of its config.json; nothing if the file does not say.
json::Value pairs_json(bool pairs);
std::optional<bool> read_pairs(const json::Value& config);
/// The windows of the form; none without their keys. Throws Error if a value is wrong.
std::optional<WindowForm> read_windows(const json::Value& config);

}  // namespace attune
