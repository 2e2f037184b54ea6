// Python's own answers: digests over every code point and over random texts (python_words_golden.py writes them).
#include "tokenizer/words.h"

#include <gtest/gtest.h>

#include <functional>
#include <span>

#include "engine/io/sha256.h"
#include "json/value.h"
#include "tokenizer/utf8.h"

namespace attune {
namespace {

std::vector<std::string> words(std::string_view text) {
  std::string lowered;
  std::vector<std::string_view> views;
  split_words(text, lowered, views);
  return {views.begin(), views.end()};
}

std::string utf8_of(std::u32string_view text) {
  return utf8::to_utf8(text);
}

class PythonWords : public ::testing::Test {
 protected:
  void SetUp() override { golden_ = json::read(std::string(ATTUNE_TEST_FOLDER) + "/python_words_golden.json"); }

  static void expect_digests(const json::Value& blocks, const std::function<std::string(char32_t)>& lines) {
    ASSERT_EQ(blocks.size(), 272u);
    blocks.for_each([&](const std::string& name, const json::Value& digest) {
      const auto first = static_cast<char32_t>(std::stoul(name, nullptr, 16));
      Sha256 sha;
      for (char32_t c = first; c < first + 4096; ++c) {
        if (c < 0xD800 || c > 0xDFFF) sha.update(lines(c));
      }
      EXPECT_EQ(sha.hex(), digest.string()) << "block " << name;
    });
  }

  json::Value golden_;
};

TEST_F(PythonWords, EveryCodePointIsAWordOrNot) {
  // c after "xx_" makes a longer word where it is \w. U+0130 would be lowered to a letter and a mark.
  expect_digests(golden_["word"], [](char32_t c) -> std::string {
    if (c == 0x130) return "1\n";
    const std::string text = utf8_of(std::u32string(U"xx_") + c);
    return words(text) == std::vector<std::string>{python_lower(text)} ? "1\n" : "0\n";
  });
}

TEST_F(PythonWords, EveryCodePointIsLoweredInEveryContext) {
  expect_digests(golden_["lower"], [](char32_t c) {
    const std::u32string s(1, c), sigma = U"\u03a3";
    std::string lines;
    for (const std::u32string& text : {s, U"A" + s + sigma, s + sigma, U"A" + sigma + s, U"A" + sigma + s + U"B"}) {
      lines += python_lower(utf8_of(text)) + "\n";
    }
    return lines;
  });
}

TEST_F(PythonWords, RandomTexts) {
  const std::u32string pool = utf8::to_utf32(golden_["pool"].string());
  std::uint64_t state = 1;
  const auto draw = [&state](std::uint64_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::size_t>((state >> 33) % n);
  };
  Sha256 sha;
  for (std::int64_t left = golden_["random_texts"].integer(); left > 0; --left) {
    std::u32string text(draw(40), U' ');
    for (char32_t& c : text) c = pool[draw(pool.size())];
    sha.update(python_lower(utf8_of(text)) + "\n");
    for (const std::string& word : words(utf8_of(text))) sha.update(word + "\n");
  }
  EXPECT_EQ(sha.hex(), golden_["random_digest"].string());
}

TEST(Words, RunsOfTwoOrMore) {
  EXPECT_EQ(words("I can't, a <br />Movie_2 x9"), (std::vector<std::string>{"can", "br", "movie_2", "x9"}));
  EXPECT_EQ(words(""), std::vector<std::string>{});
  EXPECT_EQ(words("a b c"), std::vector<std::string>{});
  EXPECT_EQ(words("cafe\u0301s"), (std::vector<std::string>{"cafe"}));  // the mark cuts, and one letter is no word
}

TEST(Words, FinalSigma) {
  EXPECT_EQ(python_lower("ΟΔΟΣ ΣΑΣ Σ"), "οδος σας σ");
  EXPECT_EQ(python_lower("ΑΣ.Β ΑΣ. "), "ασ.β ας. ");
}

TEST(Words, InvalidUtf8IsNamed) {
  EXPECT_THROW(python_lower("ab\xFF"), Error);
}

}  // namespace
}  // namespace attune
