// Every code point, class by class, against golden/tokenizers/unicode.json.
#include <gtest/gtest.h>

#include <functional>
#include <span>

#include "engine/io/sha256.h"
#include "json/value.h"
#include "tests/support/data.h"
#include "tokenizer/bert_normalizer.h"
#include "tokenizer/unicode.h"

namespace attune {
namespace {

bool is_surrogate(char32_t c) {
  return c >= 0xD800 && c <= 0xDFFF;
}

class UnicodeGolden : public ::testing::Test {
 protected:
  void SetUp() override {
    ATTUNE_DATA_OR_SKIP(data);
    golden_ = json::read((data / "golden" / "tokenizers" / "unicode.json").string());
  }

  // A code point is in `ranges` exactly where `actual` says so.
  static void expect_class(const json::Value& ranges, const std::function<bool(char32_t)>& actual) {
    std::vector<bool> expected(utf8::kMaxCodePoint + 1, false);
    for (const json::Value& range : ranges.items()) {
      const auto ends = range.items();
      for (std::int64_t c = ends.at(0).integer(0); c <= ends.at(1).integer(0, utf8::kMaxCodePoint); ++c)
        expected[static_cast<std::size_t>(c)] = true;
    }
    int wrong = 0;
    for (char32_t c = 0; c <= utf8::kMaxCodePoint; ++c) {
      if (is_surrogate(c) || actual(c) == expected[c]) continue;
      if (++wrong <= 10) ADD_FAILURE() << "U+" << std::hex << std::uint32_t{c} << ": expected " << expected[c];
    }
    EXPECT_EQ(wrong, 0);
  }

  // Per block of 4096: sha256 over the form of each code point and a newline.
  static void expect_digests(const json::Value& blocks, const std::function<std::string(char32_t)>& form) {
    ASSERT_GT(blocks.size(), 0u);
    blocks.for_each([&](const std::string& name, const json::Value& digest) {
      const auto first = static_cast<char32_t>(std::stoul(name, nullptr, 16));
      Sha256 sha;
      for (char32_t c = first; c < first + 4096; ++c) {
        if (!is_surrogate(c)) sha.update(form(c) + "\n");
      }
      EXPECT_EQ(sha.hex(), digest.string()) << "block " << name;
    });
  }

  json::Value golden_;
};

TEST_F(UnicodeGolden, ByteLevelClasses) {
  const auto& classes = unicode::split_classes();
  const json::Value golden = golden_["byte_level"];
  expect_class(golden["letter"], [&](char32_t c) { return classes[c] == unicode::SplitClass::kLetter; });
  expect_class(golden["number"], [&](char32_t c) { return classes[c] == unicode::SplitClass::kNumber; });
  expect_class(golden["whitespace"], [&](char32_t c) { return classes[c] == unicode::SplitClass::kSpace; });
  expect_class(golden["whitespace"], unicode::is_whitespace);
}

TEST_F(UnicodeGolden, BertClasses) {
  const auto& classes = unicode::bert_classes();
  const auto has = [&classes](int bits) { return [&classes, bits](char32_t c) { return (classes[c] & bits) != 0; }; };
  const json::Value golden = golden_["bert"];
  expect_class(golden["isolated_as_punctuation"], has(unicode::kBertPunctuation));
  expect_class(golden["removed_as_whitespace"], has(unicode::kBertSpace));
  const auto normal = [](char32_t c) { return bert_normalize(std::u32string(1, c), {}); };
  expect_class(golden["dropped_by_normaliser"], [&](char32_t c) { return normal(c).empty(); });
  expect_class(golden["becomes_space"], [&](char32_t c) { return normal(c) == U" "; });
}

TEST_F(UnicodeGolden, BertNormaliser) {
  expect_digests(golden_["bert"]["normaliser_digests"],
                 [](char32_t c) { return utf8::to_utf8(bert_normalize(std::u32string(1, c), {})); });
}

TEST_F(UnicodeGolden, Nfc) {
  expect_digests(golden_["nfc_digests"], [](char32_t c) { return unicode::nfc(utf8::to_utf8(std::u32string(1, c))); });
}

}  // namespace
}  // namespace attune
