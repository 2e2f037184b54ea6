// Foreign text inside a one-line message.
#pragma once

#include <string>
#include <string_view>

namespace attune {

/// `text` on one line: control characters as \xNN, and cut (with an ellipsis) after 80 bytes, between characters.
inline std::string printable(std::string_view text) {
  constexpr std::size_t kLongest = 80;
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (i >= kLongest && (byte & 0xC0) != 0x80) return out + "...";
    if (byte < 0x20 || byte == 0x7F)
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    else
      out += text[i];
  }
  return out;
}

}  // namespace attune
