// Reads Hugging Face's tokenizer.json: added tokens, normalizer, pre_tokenizer, model, post_processor.
//
// Its truncation and padding are not read: those are the caller's EncodeOptions. What has no implementation here is
// refused by name, with the key that asks for it.
//
// Format: huggingface/tokenizers, version "1.0".
#pragma once

#include <string>

#include "json/value.h"
#include "tokenizer/pipeline.h"

namespace attune {

/// Everything but `files` and `pad_id`. Throws Error naming the file and key of what is missing, malformed or
/// unsupported.
PipelineParts read_tokenizer_json(const json::Value& root);

}  // namespace attune
