// GPT-2's pre-split: cuts a text into the pieces that byte-level BPE merges within.
//
// The pieces are the successive matches of
//
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// leftmost, alternatives in this order. Together they cover the text. The scanner implements them as: a contraction;
// else an optional U+0020 and the longest run of one class (letters, numbers, others); else white space, whose last
// character is left to the next piece unless it is alone or ends the text (the lookahead of the pattern).
//
// The classes are those of the reference (unicode::split_classes). The plain implementation, this pattern on RE2, is in
// tests/tokenizer/plain.h, and the tests compare the two.
#pragma once

#include <array>
#include <string_view>

#include "tokenizer/unicode.h"

namespace attune {

/// Cuts valid UTF-8 into pieces, front to back.
class Splitter {
 public:
  explicit Splitter(std::string_view text)
      : at_(text.data()), end_(text.data() + text.size()), classes_(unicode::split_classes()) {}

  bool done() const { return at_ == end_; }
  /// The next piece, never empty. Must not be called when done().
  std::string_view next() {
    const char* const begin = at_;
    at_ = end_of_piece();
    return {begin, static_cast<std::size_t>(at_ - begin)};
  }

 private:
  using Class = unicode::SplitClass;

  /// The class of each ASCII character, which avoids decoding.
  static constexpr std::array<Class, 128> kAscii = [] {
    std::array<Class, 128> table{};
    for (std::size_t c = 0; c < 128; ++c) {
      if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) table[c] = Class::kLetter;
      if (c >= '0' && c <= '9') table[c] = Class::kNumber;
      if (c == ' ' || (c >= '\t' && c <= '\r')) table[c] = Class::kSpace;
    }
    return table;
  }();

  /// The class of the character at `at`, which moves past it.
  Class take(const char*& at) const {
    const auto byte = static_cast<unsigned char>(*at);
    if (byte >= 0x80) return classes_[utf8::decode(at)];
    ++at;
    return kAscii[byte];
  }

  /// The end of the run of `wanted` that begins at `at`.
  const char* run_end(const char* at, Class wanted) const {
    for (const char* after = at; at < end_; at = after)
      if (take(after) != wanted) break;
    return at;
  }

  /// Length of the contraction that begins at at_ (an apostrophe), or 0.
  int contraction() const {
    if (end_ - at_ < 2) return 0;
    const char a = at_[1];
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    if (end_ - at_ < 3) return 0;
    const char b = at_[2];
    return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
  }

  const char* end_of_piece() const {
    if (*at_ == '\'')
      if (const int length = contraction()) return at_ + length;
    const char* after = at_;
    Class first = take(after);
    if (*at_ == ' ' && after < end_) {
      const char* second = after;
      const Class next = take(second);
      if (next != Class::kSpace) {
        first = next;
        after = second;
      }
    }
    return first == Class::kSpace ? end_of_spaces(after) : run_end(after, first);
  }

  /// The end of a piece of white space whose first character ends at `after`.
  const char* end_of_spaces(const char* after) const {
    const char* last = at_;  // where the run's last character begins
    while (after < end_) {
      const char* next = after;
      if (take(next) != Class::kSpace) return last > at_ ? last : after;
      last = after;
      after = next;
    }
    return after;
  }

  const char* at_;
  const char* end_;
  const unicode::CodePointTable<Class>& classes_;
};

}  // namespace attune
