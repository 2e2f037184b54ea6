// The form of a model's batches as the keys attune_* of its config.json: chosen by the training program, used again by
// predict, so that a text gets the logits that the trainer's evaluation gave it.
#pragma once

#include <cstdint>

#include "engine/data/batch_form.h"
#include "json/value.h"

namespace attune {

/// The form as the keys attune_* of a config.json.
json::Value batch_form_json(const BatchForm& form);
/// From the config.json of a model; without the keys, as the ecosystem's classes take texts: whole up to the model's
/// positions, nothing padded. Throws Error if the length or the padding id does not fit the model.
BatchForm read_batch_form(const json::Value& config, std::int64_t positions, std::int64_t vocab_size);

}  // namespace attune
