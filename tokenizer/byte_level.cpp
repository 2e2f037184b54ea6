#include "tokenizer/byte_level.h"

#include "tokenizer/utf8.h"

namespace attune {
namespace {

constexpr char32_t kFirstSubstitute = 0x100;
constexpr std::size_t kAlphabetEnd = 0x144;  // 68 substitutes

constexpr bool stands_for_itself(char32_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

// The byte of each code point of the alphabet, -1 elsewhere.
const std::array<std::int16_t, kAlphabetEnd>& bytes_of() {
  static const auto table = [] {
    std::array<std::int16_t, kAlphabetEnd> out;
    out.fill(-1);
    for (std::size_t byte = 0; byte < 256; ++byte) out[byte_level_alphabet()[byte]] = static_cast<std::int16_t>(byte);
    return out;
  }();
  return table;
}

}  // namespace

const std::array<char32_t, 256>& byte_level_alphabet() {
  static const auto table = [] {
    std::array<char32_t, 256> out{};
    char32_t substitute = kFirstSubstitute;
    for (char32_t byte = 0; byte < 256; ++byte) out[byte] = stands_for_itself(byte) ? byte : substitute++;
    return out;
  }();
  return table;
}

std::string to_byte_level(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) utf8::append(out, byte_level_alphabet()[static_cast<unsigned char>(byte)]);
  return out;
}

std::optional<std::string> from_byte_level(std::string_view spelling) {
  if (utf8_error(spelling)) return std::nullopt;
  std::string out;
  for (const char* at = spelling.data(); at < spelling.data() + spelling.size();) {
    const char32_t code_point = utf8::decode(at);
    if (code_point >= kAlphabetEnd || bytes_of()[code_point] < 0) return std::nullopt;
    out.push_back(static_cast<char>(bytes_of()[code_point]));
  }
  return out;
}

}  // namespace attune
