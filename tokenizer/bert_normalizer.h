// BERT's normaliser: step by step as in its definition, and in one pass.
//
//   clean    drop controls, turn White_Space into U+0020
//   han      put spaces round Chinese characters
//   accents  NFD, then drop Mn
//   case     lower case of each code point, no context
//
// Reference: huggingface/tokenizers, normalizers/bert.rs.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "tokenizer/unicode.h"

namespace attune {

struct BertNormalizerOptions {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  bool strip_accents = true;
  bool lowercase = true;
};

/// The definition.
std::u32string bert_normalize(std::u32string_view text, const BertNormalizerOptions& options);

/// bert_normalize() in one pass over UTF-8.
class FastBertNormalizer {
 public:
  explicit FastBertNormalizer(const BertNormalizerOptions& options);

  /// Replaces `out` by the normalised form of `text` (valid UTF-8).
  void normalize(std::string_view text, std::string& out) const;

 private:
  char* write_non_ascii(char32_t c, std::uint32_t action, char* out) const;

  BertNormalizerOptions options_;
  std::array<std::uint8_t, 256> ascii_;  // what a byte becomes, or one of the codes in bert_normalizer.cpp
  const unicode::CodePointTable<std::uint32_t>& actions_;  // what a code point becomes; see bert_normalizer.cpp
};

}  // namespace attune
