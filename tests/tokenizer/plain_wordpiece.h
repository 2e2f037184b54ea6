// WordPiece as its definition reads, one code point at a time: the oracle of the fast one.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tokenizer/unicode.h"
#include "tokenizer/wordpiece.h"

namespace attune::testing {

inline std::vector<std::u32string> plain_words(std::u32string_view normalized) {
  std::vector<std::u32string> words;
  std::u32string word;
  const auto finish = [&] {
    if (!word.empty()) words.push_back(word);
    word.clear();
  };
  for (const char32_t c : normalized) {
    const auto its_class = unicode::bert_classes()[c];
    const bool space = unicode::is_whitespace(c), punctuation = (its_class & unicode::kBertPunctuation) != 0;
    if (space || punctuation) finish();
    if (!space) word += c;
    if (punctuation) finish();
  }
  finish();
  return words;
}

inline std::vector<std::int32_t> plain_pieces(const std::u32string& word, const Vocabulary& vocabulary,
                                              const WordPieceOptions& options) {
  const std::vector<std::int32_t> unknown{options.unknown_id};
  if (word.size() > static_cast<std::size_t>(options.max_chars)) return unknown;
  std::vector<std::int32_t> ids;
  for (std::size_t begin = 0; begin < word.size();) {
    std::size_t end = word.size();
    std::int32_t id = -1;
    for (; end > begin; --end) {
      const std::string piece = utf8::to_utf8(std::u32string_view(word).substr(begin, end - begin));
      id = vocabulary.id(begin == 0 ? piece : options.prefix + piece);
      if (id >= 0) break;
    }
    if (id < 0) return unknown;
    ids.push_back(id);
    begin = end;
  }
  return ids;
}

inline std::vector<std::int32_t> plain_wordpiece(std::string_view text, const Vocabulary& vocabulary,
                                                 const WordPieceOptions& options) {
  std::u32string normalized = utf8::to_utf32(text);
  if (options.normalizer) normalized = bert_normalize(normalized, *options.normalizer);
  std::vector<std::int32_t> ids;
  for (const std::u32string& word : plain_words(normalized)) {
    for (const std::int32_t id : plain_pieces(word, vocabulary, options)) ids.push_back(id);
  }
  return ids;
}

}  // namespace attune::testing
