// Well-formed UTF-8, by the Unicode standard's table 3-7: no overlong forms, no surrogates, nothing beyond U+10FFFF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace attune {
namespace utf8 {

inline bool is_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

/// Whether the 8 bytes at `p` are all ASCII.
inline bool eight_are_ascii(const char* p) {
  std::uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return (word & 0x8080808080808080u) == 0;
}

/// Bytes of the code point that starts at `p` (before `end`), or 0 if no valid one does.
inline int valid_length(const char* p, const char* end) {
  const auto at = [p](int i) { return static_cast<unsigned char>(p[i]); };
  const std::ptrdiff_t left = end - p;
  if (left <= 0) return 0;
  const unsigned char lead = at(0);
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;
  if (lead < 0xE0) return left >= 2 && is_continuation(p[1]) ? 2 : 0;
  if (lead < 0xF0) {
    if (left < 3 || !is_continuation(p[1]) || !is_continuation(p[2])) return 0;
    if (lead == 0xE0 && at(1) < 0xA0) return 0;   // overlong
    if (lead == 0xED && at(1) >= 0xA0) return 0;  // surrogate
    return 3;
  }
  if (lead > 0xF4 || left < 4 || !is_continuation(p[1]) || !is_continuation(p[2]) || !is_continuation(p[3])) return 0;
  if (lead == 0xF0 && at(1) < 0x90) return 0;   // overlong
  if (lead == 0xF4 && at(1) >= 0x90) return 0;  // beyond U+10FFFF
  return 4;
}

}  // namespace utf8

/// Offset of the first byte that is not part of well-formed UTF-8, or nothing if all are.
inline std::optional<std::size_t> utf8_error(std::string_view text) {
  const char* p = text.data();
  const char* const end = p + text.size();
  while (p < end) {
    while (end - p >= 8 && utf8::eight_are_ascii(p)) p += 8;
    if (p == end) break;
    const int length = utf8::valid_length(p, end);
    if (length == 0) return static_cast<std::size_t>(p - text.data());
    p += length;
  }
  return std::nullopt;
}

}  // namespace attune
