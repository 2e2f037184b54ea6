// The words of a normalised text, as BERT cuts them: at White_Space, which is dropped, and around each punctuation
// mark, which is a separate word.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "tokenizer/unicode.h"

namespace attune {

/// Reads the words of a valid UTF-8 text one by one.
class BertWords {
 public:
  explicit BertWords(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  /// The next word, a part of the text; false if there is none.
  bool next(std::string_view& word) {
    const char* begin = at_;
    while (at_ < end_) {
      const char* const before = at_;
      const Kind kind = read_kind();
      if (kind == Kind::kInside) continue;
      if (before > begin) {  // ends the current word; it is read again as the next word
        at_ = before;
        break;
      }
      if (kind == Kind::kPunctuation) break;
      begin = at_;
    }
    word = {begin, static_cast<std::size_t>(at_ - begin)};
    return !word.empty();
  }

 private:
  enum class Kind : std::uint8_t { kInside, kSpace, kPunctuation, kNotAscii };

  static const std::array<Kind, 256>& byte_kinds() {
    static const std::array<Kind, 256> table = [] {
      std::array<Kind, 256> out;
      out.fill(Kind::kNotAscii);
      for (unsigned c = 0; c < 0x80; ++c) out[c] = kind_of(unicode::bert_classes()[c]);
      return out;
    }();
    return table;
  }

  static Kind kind_of(std::uint8_t bert_class) {
    if ((bert_class & unicode::kBertSpace) != 0) return Kind::kSpace;
    return (bert_class & unicode::kBertPunctuation) != 0 ? Kind::kPunctuation : Kind::kInside;
  }

  /// The kind of the code point at at_, which moves past it.
  Kind read_kind() {
    const Kind kind = kinds_[static_cast<unsigned char>(*at_)];
    if (kind == Kind::kNotAscii) return kind_of(classes_[utf8::decode(at_)]);
    ++at_;
    return kind;
  }

  const std::array<Kind, 256>& kinds_ = byte_kinds();
  const unicode::CodePointTable<std::uint8_t>& classes_ = unicode::bert_classes();
  const char* at_;
  const char* const end_;
};

}  // namespace attune
