// The output of `tokenize` for a source of texts.
#pragma once

#include <ostream>
#include <string>

#include "apps/support/text_source.h"
#include "tokenizer/tokenizer.h"

namespace attune {

/// `format`: per text a line of "ids", of "tokens" (spellings), or of "jsonl" (ids, type_ids and tokens as JSON); or,
/// of all texts, a "digest" as JSON (of whole rows, and of rows cut to max_length if that is set) or their "lengths".
void print_ids(const Tokenizer& tokenizer, TextSource& texts, const EncodeOptions& options, const std::string& format,
               std::ostream& out);

}  // namespace attune
