// Normalisation and classes where no data is needed; every code point is compared in unicode_golden_test.cpp.
#include "tokenizer/unicode.h"

#include <gtest/gtest.h>
#include <utf8proc.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tokenizer/bert_normalizer.h"

namespace attune {
namespace {

TEST(Unicode, TheOverridesAreOfThisUtf8proc) {
  EXPECT_STREQ(utf8proc_unicode_version(), "15.0.0") << "run tokenizer/unicode_overrides/generate.py for this version";
}

TEST(Unicode, NfcComposesAndOrders) {
  EXPECT_EQ(unicode::nfc("plain ascii"), "plain ascii");
  EXPECT_EQ(unicode::nfc("cafe\u0301 cafe\u0301s"), "caf\u00e9 caf\u00e9s");
  EXPECT_EQ(unicode::nfc("\u0301a"), "\u0301a");                              // a mark with nothing before it
  EXPECT_EQ(unicode::nfc("a\u0323\u0302"), "\u1ead");                         // two steps
  EXPECT_EQ(unicode::nfc("a\u0302\u0323"), "\u1ead");                         // out of order
  EXPECT_EQ(unicode::nfc("a\u0302\u0302"), "\u00e2\u0302");                   // blocked by its own class
  EXPECT_EQ(unicode::nfc("\u212b\u2126\u0344"), "\u00c5\u03a9\u0308\u0301");  // singletons and an exclusion
  EXPECT_EQ(unicode::nfc("\u0958"), "\u0915\u093c");                          // a composition exclusion
  EXPECT_EQ(unicode::nfc("\u1112\u1161\u11ab\u1112\u1161"), "\ud55c\ud558");
  EXPECT_EQ(unicode::nfc("\uac00\u11a8"), "\uac01");
  EXPECT_EQ(unicode::nfc("\U00011935\U00011930"), "\U00011935\U00011930");  // too new for the reference
}

TEST(Unicode, NfcLeavesItsResultAlone) {
  const std::string once = unicode::nfc("x\u0301\u0327 e\u0301\u0323 \u1100\u1161\u11a8 \u0915\u093c");
  EXPECT_EQ(unicode::nfc(once), once);
}

TEST(Unicode, MarksUnknownToTheReferenceStay) {
  EXPECT_EQ(unicode::combining_class(0x301), 230);
  EXPECT_EQ(unicode::combining_class(0x7FD), 0);
  EXPECT_EQ(unicode::nfc("a\u07fd\u0334"), "a\u07fd\u0334");
}

TEST(Unicode, LowerCase) {
  const auto lower = [](char32_t c) {
    std::u32string out;
    unicode::append_lower(c, out);
    return out;
  };
  EXPECT_EQ(lower(U'A'), U"a");
  EXPECT_EQ(lower(U'\u0130'), U"i\u0307");
  EXPECT_EQ(lower(U'\u03a3'), U"\u03c3");
  EXPECT_EQ(lower(U'\ua7da'), U"\ua7db");  // Unicode 16
  EXPECT_FALSE(unicode::has_lower(U'a'));
}

TEST(BertNormalizer, EachStepAlone) {
  const BertNormalizerOptions none{false, false, false, false};
  const std::u32string text = U"\u00c9t\u00e9\t\u00ad\u4e2d\u3000B";
  EXPECT_EQ(bert_normalize(text, none), text);
  EXPECT_EQ(bert_normalize(text, {true, false, false, false}), U"\u00c9t\u00e9 \u4e2d B");
  EXPECT_EQ(bert_normalize(text, {false, true, false, false}), U"\u00c9t\u00e9\t\u00ad \u4e2d \u3000B");
  EXPECT_EQ(bert_normalize(text, {false, false, true, false}), U"Ete\t\u00ad\u4e2d\u3000B");
  EXPECT_EQ(bert_normalize(text, {false, false, false, true}), U"\u00e9t\u00e9\t\u00ad\u4e2d\u3000b");
  EXPECT_EQ(bert_normalize(text, {}), U"ete  \u4e2d  b");
}

// Marks that are kept are put in order across dropped ones, but not across a starter.
TEST(BertNormalizer, KeptMarksAreOrdered) {
  EXPECT_EQ(bert_normalize(U"a\u302e\u0301\U0001d165", {}), U"a\U0001d165\u302e");
  EXPECT_EQ(bert_normalize(U"a\u302eb\U0001d165", {}), U"a\u302eb\U0001d165");
}

// Many threads ask for code points of the same blocks at the same time.
TEST(CodePointTables, ThreadsMayShareOne) {
  for (int round = 0; round < 20; ++round) {
    const unicode::CodePointTable<std::uint32_t> table([](char32_t c) { return static_cast<std::uint32_t>(c) ^ 7; });
    std::atomic<int> wrong = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        for (char32_t c = 0; c <= utf8::kMaxCodePoint; c += 61)
          if (table[c] != (static_cast<std::uint32_t>(c) ^ 7)) ++wrong;
      });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
  }
}

}  // namespace
}  // namespace attune
