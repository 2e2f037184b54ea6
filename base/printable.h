// Text from files inside a message or on a terminal: on one line, without control characters.
#pragma once

#include <string>
#include <string_view>

namespace attune {

/// `text` with each control character as \xNN, cut (with an ellipsis) between characters after `max_bytes` bytes.
inline std::string printable(std::string_view text, std::size_t max_bytes = 80) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (i >= max_bytes && (byte & 0xC0) != 0x80) return out + "...";
    if (byte < 0x20 || byte == 0x7F)
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    else
      out += text[i];
  }
  return out;
}

/// A whole message on one line.
inline std::string one_line(std::string_view message) {
  return printable(message, message.size());
}

}  // namespace attune
