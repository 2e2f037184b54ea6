// Reading and writing UTF-8: one validating scan (base/utf8.h), then decoding that trusts it.
//
// Every text that enters the tokenizers passes check_utf8 once; after that, decode() reads it without checks.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"

namespace attune::utf8 {

inline constexpr char32_t kMaxCodePoint = 0x10FFFF;

/// Throws Error, naming the byte offset, unless `text` is valid UTF-8. `what` starts the message ("text",
/// "vocab.txt:12").
inline void check_utf8(std::string_view text, std::string_view what) {
  const auto at = utf8_error(text);
  CHECK(!at, what, ": not valid UTF-8 at byte offset ", *at);
}

/// The code point at `p`, which moves past it. The text must be valid and `p` at a code point's first byte.
inline char32_t decode(const char*& p) {
  const auto next = [&p] { return static_cast<char32_t>(static_cast<unsigned char>(*p++)); };
  const char32_t lead = next();
  if (lead < 0x80) return lead;
  if (lead < 0xE0) return (lead & 0x1F) << 6 | (next() & 0x3F);
  if (lead < 0xF0) {
    const char32_t high = (lead & 0x0F) << 12 | (next() & 0x3F) << 6;
    return high | (next() & 0x3F);
  }
  char32_t value = (lead & 0x07) << 18 | (next() & 0x3F) << 12;
  value |= (next() & 0x3F) << 6;
  return value | (next() & 0x3F);
}

/// Writes the UTF-8 of `c` (at most 4 bytes) at `out`; returns the place after it.
inline char* encode(char32_t c, char* out) {
  const auto put = [&out](char32_t byte) { *out++ = static_cast<char>(static_cast<unsigned char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
  return out;
}

inline void append(std::string& out, char32_t c) {
  char bytes[4];
  out.append(bytes, encode(c, bytes));
}

/// Number of code points of a valid text.
inline std::size_t count(std::string_view text) {
  std::size_t continuation = 0;
  for (const char byte : text) continuation += is_continuation(byte);
  return text.size() - continuation;
}

/// The code points of a valid text.
inline std::u32string to_utf32(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (const char* p = text.data(); p < text.data() + text.size();) out.push_back(decode(p));
  return out;
}

inline std::string to_utf8(std::u32string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char32_t c : text) append(out, c);
  return out;
}

}  // namespace attune::utf8
