// Random Unicode texts that dwell where tokenizers go wrong.
#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace attune::testing {

class RandomText {
 public:
  explicit RandomText(std::uint64_t seed) : bits_(seed) {}

  std::uint64_t below(std::uint64_t n) { return bits_() % n; }

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
      const Range range = kRanges[below(std::size(kRanges))];
      const char32_t c = range.first + static_cast<char32_t>(below(range.last - range.first + 1));
      if (c < 0xD800 || c > 0xDFFF) return c;
    }
  }

  std::u32string text(std::size_t longest) {
    std::u32string out(below(longest + 1), U' ');
    for (char32_t& c : out) c = code_point();
    return out;
  }

 private:
  std::mt19937_64 bits_;
};

}  // namespace attune::testing
