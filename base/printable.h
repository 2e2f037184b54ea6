// Text from files inside a message or on a terminal: on one line, without control characters, valid UTF-8.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "base/utf8.h"

namespace attune {

/// `text` with each byte of a control character (U+0000 .. U+001F, U+007F .. U+009F) or of broken UTF-8 as \xNN, cut
/// (with an ellipsis) between characters after `max_bytes` bytes.
inline std::string printable(std::string_view text, std::size_t max_bytes = 80) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (i >= max_bytes) return out + "...";
    const int length = utf8::valid_length(text.data() + i, text.data() + text.size());
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool control = length == 1 ? byte < 0x20 || byte == 0x7F
                                     : length == 2 && byte == 0xC2 && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    const std::size_t end = i + static_cast<std::size_t>(std::max(length, 1));
    for (; i < end; ++i) {
      const auto each = static_cast<unsigned char>(text[i]);
      if (length == 0 || control)
        out += {'\\', 'x', kHex[each >> 4], kHex[each & 15]};
      else
        out += text[i];
    }
  }
  return out;
}

/// A whole message on one line.
inline std::string one_line(std::string_view message) {
  return printable(message, message.size());
}

}  // namespace attune
