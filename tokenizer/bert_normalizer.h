// BERT's normaliser, step by step as it is defined; wordpiece.cpp holds the fast form of the same.
//
//   clean    drop controls, turn White_Space into U+0020
//   han      put spaces round Chinese characters
//   accents  NFD, then drop Mn
//   case     lower case of each code point, no context
//
// Reference: huggingface/tokenizers, normalizers/bert.rs.
#pragma once

#include <string>
#include <string_view>

namespace attune {

struct BertNormalizerOptions {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  bool strip_accents = true;
  bool lowercase = true;
};

std::u32string bert_normalize(std::u32string_view text, const BertNormalizerOptions& options);

}  // namespace attune
