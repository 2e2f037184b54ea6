// Properties of code points for the tokenizers, with the same answers as the reference library.
//
// The reference mixes Unicode versions: the byte-level splitter's classes are of about 16, BERT's of about 8, lower
// case of about 17, normalisation of about 9, and Python's words (words.h) of 14. The answers come from utf8proc (15),
// corrected by the small generated tables of unicode_overrides/. A look-up in a table costs two loads; keep the
// table's reference during a loop.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "tokenizer/utf8.h"

namespace attune::unicode {

/// A value for every code point. 256 code points make a block, which is computed when one of them is first asked for:
/// most texts use a few of the 4,352 blocks. Threads may share a table.
template <class T>
class CodePointTable {
 public:
  /// value(c) gives the value of a code point; it must not ask this table.
  explicit CodePointTable(std::function<T(char32_t)> value) : value_(std::move(value)) {}

  T operator[](char32_t c) const {
    const Block* block = blocks_[c >> 8].load(std::memory_order_acquire);
    if (block == nullptr) [[unlikely]]
      block = compute(c >> 8);
    return (*block)[c & 255];
  }

 private:
  using Block = std::array<T, 256>;

  const Block* compute(char32_t number) const {
    const std::scoped_lock lock(mutex_);
    std::atomic<const Block*>& place = blocks_[number];
    if (place.load() != nullptr) return place.load();  // another thread was first
    Block block;
    for (char32_t i = 0; i < 256; ++i) block[i] = value_(number << 8 | i);
    place.store(&computed_.emplace_back(block), std::memory_order_release);
    return place.load();
  }

  std::function<T(char32_t)> value_;
  mutable std::array<std::atomic<const Block*>, (utf8::kMaxCodePoint >> 8) + 1> blocks_{};
  mutable std::mutex mutex_;
  mutable std::deque<Block> computed_;
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
