// The alphabet of byte-level BPE files: every byte has one printable character, so that tokens can be written as text.
//
// Bytes 0x21-0x7E, 0xA1-0xAC and 0xAE-0xFF stand for the code point of the same value; the other 68, in increasing
// order, for U+0100, U+0101, ... (space is U+0120 "Ġ", line feed U+010A "Ċ").
//
// Radford et al. 2019 (GPT-2), encoder.py: bytes_to_unicode.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace attune {

/// The code point that stands for each byte. [256]
const std::array<char32_t, 256>& byte_level_alphabet();

/// Spells bytes in the alphabet, as UTF-8.
std::string to_byte_level(std::string_view bytes);

/// The bytes of a spelling; nullopt if it holds a character outside the alphabet or is not valid UTF-8.
std::optional<std::string> from_byte_level(std::string_view spelling);

}  // namespace attune
