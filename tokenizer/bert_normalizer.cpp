#include "tokenizer/bert_normalizer.h"

#include <algorithm>

#include "tokenizer/unicode.h"

namespace attune {
namespace {

std::u32string clean(std::u32string_view text) {
  const auto& classes = unicode::bert_classes();
  std::u32string out;
  for (const char32_t c : text) {
    if ((classes[c] & unicode::kBertControl) != 0) continue;
    out += (classes[c] & unicode::kBertSpace) != 0 ? U' ' : c;
  }
  return out;
}

std::u32string space_han(std::u32string_view text) {
  const auto& classes = unicode::bert_classes();
  std::u32string out;
  for (const char32_t c : text) {
    const bool han = (classes[c] & unicode::kBertHan) != 0;
    if (han) out += U' ';
    out += c;
    if (han) out += U' ';
  }
  return out;
}

std::u32string strip_accents(std::u32string_view text) {
  const auto& classes = unicode::bert_classes();
  std::u32string out = unicode::nfd(text);
  std::erase_if(out, [&classes](char32_t c) { return (classes[c] & unicode::kBertMark) != 0; });
  return out;
}

}  // namespace

std::u32string bert_normalize(std::u32string_view text, const BertNormalizerOptions& options) {
  std::u32string out(text);
  if (options.clean_text) out = clean(out);
  if (options.handle_chinese_chars) out = space_han(out);
  if (options.strip_accents) out = strip_accents(out);
  if (!options.lowercase) return out;
  std::u32string lower;
  for (const char32_t c : out) unicode::append_lower(c, lower);
  return lower;
}

}  // namespace attune
