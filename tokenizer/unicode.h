// Properties of code points for the tokenizers, with the same answers as the reference library.
//
// The reference mixes Unicode versions: the byte-level splitter's classes are of about 16, BERT's of about 8, lower
// case of about 17, normalisation of about 9, and Python's words (words.h) of 14. The answers come from utf8proc (15),
// corrected by the small generated tables of unicode_overrides/. Each table is built once, on first use, and costs two
// loads per look-up; keep its reference during a loop.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/utf8.h"

namespace attune::unicode {

/// A value for every code point: 256 code points make a block, equal blocks are stored once.
template <class T>
class CodePointTable {
 public:
  using Block = std::array<T, 256>;

  /// value(c) gives the value of every code point.
  template <class Value>
  explicit CodePointTable(const Value& value) {
    std::map<Block, std::uint16_t> seen;
    for (char32_t first = 0; first <= utf8::kMaxCodePoint; first += 256) {
      Block block;
      for (char32_t i = 0; i < 256; ++i) block[i] = value(first + i);
      const auto [place, is_new] = seen.try_emplace(block, static_cast<std::uint16_t>(blocks_.size()));
      if (is_new) blocks_.push_back(block);
      block_of_[first >> 8] = place->second;
    }
  }

  T operator[](char32_t c) const { return blocks_[block_of_[c >> 8]][c & 255]; }

 private:
  std::array<std::uint16_t, (utf8::kMaxCodePoint >> 8) + 1> block_of_{};
  std::vector<Block> blocks_;
};

/// The White_Space property (the `\s` of the byte-level splitter, and what every trimming strips).
bool is_whitespace(char32_t c);

/// The class of a code point for the byte-level splitter: \p{L}, \p{N}, White_Space, or none of them.
enum class SplitClass : std::uint8_t { kOther, kLetter, kNumber, kSpace };
const CodePointTable<SplitClass>& split_classes();

/// The classes of a code point for BERT's normaliser and splitter, as bits.
enum BertClass : std::uint8_t {
  kBertControl = 1,      // dropped by clean_text
  kBertSpace = 2,        // White_Space: becomes U+0020 by clean_text, and separates words
  kBertPunctuation = 4,  // a separate word
  kBertMark = 8,         // Mn: dropped by strip_accents
  kBertHan = 16,         // tokenize_chinese_chars puts spaces around it
};
const CodePointTable<std::uint8_t>& bert_classes();

/// Appends the lower case of one code point (no context; U+0130 gives two code points).
void append_lower(char32_t c, std::u32string& out);
/// Whether append_lower gives anything but `c` itself.
bool has_lower(char32_t c);

/// Appends the full canonical decomposition of one code point, Hangul included; marks are not yet in order.
void append_decomposition(char32_t c, std::u32string& out);
/// Whether append_decomposition gives anything but `c` itself.
bool has_decomposition(char32_t c);
/// Canonical combining class; 0 for one that is never reordered.
std::uint8_t combining_class(char32_t c);

/// NFD of a text: full canonical decomposition, marks in canonical order.
std::u32string nfd(std::u32string_view text);
/// NFC of a valid UTF-8 text. Text that is in NFC already is only scanned and copied.
std::string nfc(std::string_view text);
/// Whether nfc(text) == text follows from each code point alone (true for nearly all text that is in NFC).
bool is_surely_nfc(std::string_view text);

}  // namespace attune::unicode
