// Random Unicode text that is hard on tokenizers: words, contractions, digits, runs of all kinds of white space, marks,
// special tokens and pieces of them, any code point.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "tokenizer/utf8.h"

namespace attune::testing {

class RandomText {
 public:
  explicit RandomText(std::uint32_t seed, std::vector<std::string> specials = {})
      : random_(seed), specials_(std::move(specials)) {}

  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }

  /// Any code point but a surrogate: mostly ASCII, then marks, controls, Chinese, Hangul, the newest scripts, anything.
  char32_t code_point() {
    struct Range {
      char32_t first, last;
    };
    static constexpr Range kRanges[] = {
        {0x20, 0x7E},       {0x20, 0x7E},       {'a', 'z'},         {'a', 'z'},         {0x20, 0x2F},
        {0, 0x20},          {0x7F, 0x17F},      {0x300, 0x36F},     {0x370, 0x52F},     {0x590, 0x8FF},
        {0x900, 0xDFF},     {0x1100, 0x11FF},   {0x1AB0, 0x1AFF},   {0x1C80, 0x1CFF},   {0x1DC0, 0x1FFF},
        {0x2000, 0x20FF},   {0x2150, 0x218F},   {0x2E80, 0x30FF},   {0x302A, 0x302F},   {0x3400, 0x4DBF},
        {0x4E00, 0x9FFF},   {0xA640, 0xA7FF},   {0xAC00, 0xD7A3},   {0xE000, 0xE0FF},   {0xF900, 0xFAFF},
        {0xFB00, 0xFFFD},   {0x10400, 0x105FF}, {0x11000, 0x11FFF}, {0x1D100, 0x1D1FF}, {0x1E000, 0x1F1FF},
        {0x1F600, 0x1F64F}, {0x20000, 0x2FA1F}, {0xE0000, 0xE01EF}, {0, 0x10FFFF}};
    while (true) {
      const Range range = kRanges[below(static_cast<std::uint32_t>(std::size(kRanges)))];
      const char32_t c = range.first + below(range.last - range.first + 1);
      if (c < 0xD800 || c > 0xDFFF) return c;
    }
  }

  /// Up to `longest` such code points.
  std::u32string code_points(std::uint32_t longest) {
    std::u32string out(below(longest + 1), U' ');
    for (char32_t& c : out) c = code_point();
    return out;
  }

  /// Valid UTF-8 of up to `longest` chunks of a few characters.
  std::string next(std::uint32_t longest = 12) {
    std::string out;
    for (std::uint32_t chunks = below(longest + 1); chunks > 0; --chunks) append_chunk(out);
    return out;
  }

 private:
  void append_chunk(std::string& out) {
    static const std::vector<std::string> kWords = {"the",   "is",   "don't", "I'll",    "we've", "'S",
                                                    "naïve", "日本", "हिन्दी", "don't'd", "''s",   "x²"};
    static const std::vector<char32_t> kSpaces = {' ',  ' ',  ' ',  '\n',   '\t',   '\r',
                                                  0x0B, 0x85, 0xA0, 0x2003, 0x2028, 0x3000};
    static const std::vector<char32_t> kMarks = {0x300,  0x301,  0x323,  0x327,  0x5B0,  0x93C,
                                                 0x200B, 0x200D, 0xFE0F, 0x1100, 0x1161, 0x11A8};
    switch (below(10)) {
      case 0:
        out += kWords[below(static_cast<std::uint32_t>(kWords.size()))];
        return;
      case 1:
        repeat(out, kSpaces[below(static_cast<std::uint32_t>(kSpaces.size()))], 4);
        return;
      case 2:
        repeat(out, ' ', 30);
        return;
      case 3:
        repeat(out, U'a' + below(26), 3);
        return;
      case 4:
        repeat(out, U'0' + below(10), 5);
        return;
      case 5:
        repeat(out, U'!' + below(15), 4);
        return;
      case 6:
        utf8::append(out, kMarks[below(static_cast<std::uint32_t>(kMarks.size()))]);
        return;
      case 7:
        append_special(out);
        return;
      case 8:
        utf8::append(out, below(0x3000));
        return;
      default: {
        const std::uint32_t c = below(0x110000 - 0x800);
        utf8::append(out, c < 0xD800 ? c : c + 0x800);
      }
    }
  }

  void repeat(std::string& out, char32_t c, std::uint32_t most) {
    for (std::uint32_t n = 1 + below(most); n > 0; --n) utf8::append(out, c);
  }

  // A special token, or the beginning of one.
  void append_special(std::string& out) {
    if (specials_.empty()) return;
    const std::string& special = specials_[below(static_cast<std::uint32_t>(specials_.size()))];
    std::size_t length = below(3) == 0 ? below(static_cast<std::uint32_t>(special.size()) + 1) : special.size();
    while (length < special.size() && utf8::is_continuation(special[length])) --length;
    out += special.substr(0, length);
  }

  std::mt19937 random_;
  std::vector<std::string> specials_;
};

}  // namespace attune::testing
