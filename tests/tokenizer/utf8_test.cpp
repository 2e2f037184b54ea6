#include "tokenizer/utf8.h"

#include <gtest/gtest.h>

namespace attune {
namespace {

TEST(Utf8, EveryCodePointThereAndBack) {
  for (char32_t c = 0; c <= utf8::kMaxCodePoint; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    utf8::append(text, c);
    ASSERT_EQ(utf8_error(text), std::nullopt) << std::hex << std::uint32_t{c};
    const char* p = text.data();
    ASSERT_EQ(utf8::decode(p), c);
    ASSERT_EQ(p, text.data() + text.size());
    ASSERT_EQ(utf8::count(text), 1u);
  }
}

TEST(Utf8, SurrogatesAreInvalid) {
  for (char32_t c = 0xD800; c <= 0xDFFF; ++c) {
    std::string text;
    utf8::append(text, c);
    ASSERT_EQ(utf8_error(text), 0u) << std::hex << std::uint32_t{c};
  }
}

TEST(Utf8, NamesTheFirstBadByte) {
  const std::string_view bad[] = {"\x80",
                                  "\xC0\x80",
                                  "\xC1\xBF",
                                  "\xC3",
                                  "\xC3(",
                                  "\xE2\x82",
                                  "\xE0\x9F\xBF",
                                  "\xF0\x8F\xBF\xBF",
                                  "\xF4\x90\x80\x80",
                                  "\xF5\x80\x80\x80",
                                  "\xFF",
                                  "\xE2(\xA1",
                                  "\xF0\x9F\x98"};
  for (const std::string_view bytes : bad) {
    for (std::size_t before = 0; before < 20; ++before) {
      const std::string text = std::string(before, 'a') + std::string(bytes) + "tail of the text";
      EXPECT_EQ(utf8_error(text), before);
      EXPECT_EQ(utf8_error(std::string(before, 'a') + std::string(bytes)), before);
    }
  }
  try {
    utf8::check_utf8("caf\xC3", "text");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "text: not valid UTF-8 at byte offset 3");
  }
}

// Every two-byte and many longer sequences: where it is called valid, decoding loses nothing.
TEST(Utf8, WhatIsValidRoundTrips) {
  for (unsigned bytes = 0; bytes < 1u << 24; bytes += bytes < 1u << 16 ? 1 : 37) {
    std::string text;
    for (int shift = bytes < 1u << 16 ? 8 : 16; shift >= 0; shift -= 8)
      text += static_cast<char>(bytes >> shift & 0xFF);
    if (utf8_error(text)) continue;
    ASSERT_EQ(utf8::to_utf8(utf8::to_utf32(text)), text);
  }
}

}  // namespace
}  // namespace attune
