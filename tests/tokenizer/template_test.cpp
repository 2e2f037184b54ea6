// Cutting and wrapping. The pair lengths are those measured of huggingface/tokenizers 0.23.
#include "tokenizer/template.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/check.h"

namespace attune {
namespace {

using Ids = std::vector<std::int32_t>;
using Lengths = std::pair<std::int64_t, std::int64_t>;

TEST(CutPair, LongestFirstAsMeasured) {
  EXPECT_EQ(cut_pair(40, 40, 29), Lengths(14, 15));
  EXPECT_EQ(cut_pair(30, 20, 29), Lengths(15, 14));
  EXPECT_EQ(cut_pair(40, 14, 29), Lengths(15, 14));
  EXPECT_EQ(cut_pair(13, 40, 29), Lengths(13, 16));
}

TEST(CutPair, FitsKeepsAllAndOtherwiseTheRoomIsFilled) {
  for (std::int64_t a = 0; a <= 12; ++a)
    for (std::int64_t b = 0; b <= 12; ++b)
      for (std::int64_t room = 0; room <= 25; ++room) {
        const auto [keep_a, keep_b] = cut_pair(a, b, room);
        EXPECT_LE(keep_a, a);
        EXPECT_LE(keep_b, b);
        EXPECT_EQ(keep_a + keep_b, std::min(a + b, room)) << a << " " << b << " " << room;
      }
}

TEST(Template, PlainHasNoSpecials) {
  const Template plain;
  const Encoding pair = plain.apply(Ids{1, 2}, Ids{3}, {});
  EXPECT_EQ(pair.ids, (Ids{1, 2, 3}));
  EXPECT_EQ(pair.type_ids, (Ids{0, 0, 1}));
  EXPECT_EQ(plain.apply(Ids{1, 2}, {}).ids, (Ids{1, 2}));
}

TEST(Template, BertPairHasTypes) {
  const Encoding pair = Template::bert(101, 102, 1).apply(Ids{7, 8}, Ids{9}, {});
  EXPECT_EQ(pair.ids, (Ids{101, 7, 8, 102, 9, 102}));
  EXPECT_EQ(pair.type_ids, (Ids{0, 0, 0, 0, 1, 1}));
}

TEST(Template, RobertaPairHasTwoSeparatorsAndNoTypes) {
  const Encoding pair = Template::roberta(0, 2).apply(Ids{7}, Ids{9}, {});
  EXPECT_EQ(pair.ids, (Ids{0, 7, 2, 2, 9, 2}));
  EXPECT_EQ(pair.type_ids, (Ids{0, 0, 0, 0, 0, 0}));
}

TEST(Template, CutsToMaxLengthWithSpecialsInside) {
  const Template bert = Template::bert(101, 102, 1);
  EXPECT_EQ(bert.apply(Ids{1, 2, 3, 4}, {.max_length = 5}).ids, (Ids{101, 1, 2, 3, 102}));
  EXPECT_EQ(bert.apply(Ids{1, 2, 3, 4}, {.max_length = 2}).ids, (Ids{101, 102}));
  EXPECT_EQ(bert.apply(Ids{1, 2, 3, 4}, {.max_length = 3, .add_special_tokens = false}).ids, (Ids{1, 2, 3}));
  EXPECT_EQ(bert.apply(Ids{1, 2, 3, 4}, Ids{5, 6, 7, 8}, {.max_length = 8}).ids, (Ids{101, 1, 2, 102, 5, 6, 7, 102}));
}

TEST(Template, SaysWhatWasCut) {
  const Template bert = Template::bert(101, 102, 1);
  for (const std::int64_t fits : {0, 6, 7}) EXPECT_FALSE(bert.apply(Ids{1, 2, 3, 4}, {.max_length = fits}).cut) << fits;
  EXPECT_TRUE(bert.apply(Ids{1, 2, 3, 4}, {.max_length = 5}).cut);
  for (const std::int64_t fits : {0, 8}) EXPECT_FALSE(bert.apply(Ids{1, 2, 3}, Ids{5, 6}, {.max_length = fits}).cut);
  EXPECT_TRUE(bert.apply(Ids{1, 2, 3}, Ids{5, 6}, {.max_length = 7}).cut);
}

TEST(Template, SaysWhenMaxLengthIsTooShort) {
  try {
    Template::roberta(0, 2).apply(Ids{1}, Ids{2}, {.max_length = 3});
    FAIL() << "accepted max_length 3 for four special tokens";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "max_length 3 leaves no room for the 4 special tokens of the template");
  }
  EXPECT_THROW(Template().apply(Ids{1}, {.max_length = -1}), Error);
}

TEST(Template, RefusesTextsMissingOrTwice) {
  using Kind = TemplatePiece::Kind;
  const TemplatePiece a{Kind::kTextA, 0, -1}, b{Kind::kTextB, 0, -1};
  EXPECT_THROW(Template({b}, {a, b}), Error);
  EXPECT_THROW(Template({a, a}, {a, b}), Error);
  EXPECT_THROW(Template({a}, {a}), Error);
  EXPECT_THROW(Template({a}, {a, b, b}), Error);
}

}  // namespace
}  // namespace attune
