// Reads Hugging Face's tokenizer.json: added tokens, normalizer, pre_tokenizer, model, post_processor.
//
// Its truncation and padding are not read: the caller's EncodeOptions set them. Unsupported features are refused with
// their name and key.
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
