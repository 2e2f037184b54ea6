// Trains a tokenizer on a source of texts and writes its folder.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/support/text_source.h"

namespace attune {

struct TrainTokenizerOptions {
  std::string kind;  // "bpe" or "wordpiece"
  std::int64_t vocab_size = 0;
  std::int64_t min_frequency = 2;           // a pair that occurs less often is no token
  std::vector<std::string> special_tokens;  // empty: the usual ones of the kind
  bool cased = false;                       // WordPiece: keep upper case and accents
  std::string output;                       // folder, created if missing
};

/// Returns the number of tokens. Throws Error if the options or the texts are not usable, IoError if the folder cannot
/// be written; each file is written atomically.
std::int64_t train_tokenizer(const TrainTokenizerOptions& options, TextSource& texts);

}  // namespace attune
