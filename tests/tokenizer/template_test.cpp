// Cutting and wrapping. The pair lengths are those measured of huggingface/tokenizers 0.23.
#include "tokenizer/template.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

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

// What windows promise, for every length around every boundary: each has the special tokens around a piece of the text
// that fits, all but the last are full, a piece begins with the last ids of the one before it, and together they are the
// text.
TEST(Template, WindowsCoverTheText) {
  const Template bert = Template::bert(101, 102, 1);
  for (const std::int64_t max_length : {3, 4, 5, 9})
    for (std::int64_t overlap = 0; overlap < max_length - 2; ++overlap)
      for (std::int64_t size = 0; size <= 30; ++size) {
        Ids text(static_cast<std::size_t>(size)), joined;
        std::iota(text.begin(), text.end(), 0);
        const Windows windows = bert.windows(text, {.max_length = max_length}, overlap);
        EXPECT_EQ(windows.before, 1);
        EXPECT_EQ(windows.after, 1);
        auto at = windows.ids.begin();
        for (std::size_t w = 0; w < windows.lengths.size(); ++w) {
          const Ids window(at, at + windows.lengths[w]), piece(at + 1, at + windows.lengths[w] - 1);
          at += windows.lengths[w];
          EXPECT_EQ(window, bert.apply(piece, {.max_length = max_length}).ids);
          EXPECT_TRUE(w + 1 == windows.lengths.size() || std::ssize(window) == max_length);
          const auto shared = w == 0 ? 0 : static_cast<std::ptrdiff_t>(overlap);
          ASSERT_TRUE(w == 0 || std::ssize(piece) > shared);
          EXPECT_TRUE(std::equal(piece.begin(), piece.begin() + shared, joined.end() - shared, joined.end()));
          joined.insert(joined.end(), piece.begin() + shared, piece.end());
        }
        EXPECT_EQ(joined, text);
        EXPECT_EQ(at, windows.ids.end());
        if (size <= max_length - 2) {
          EXPECT_EQ(windows.ids, bert.apply(text, {.max_length = max_length}).ids);
          EXPECT_EQ(std::ssize(windows.lengths), 1);
        }
      }
}

TEST(Template, WindowsAreWholeTextsWithoutALimit) {
  const Windows windows = Template().windows(Ids{1, 2, 3}, {}, 2);
  EXPECT_EQ(windows.ids, (Ids{1, 2, 3}));
  EXPECT_EQ(windows.lengths, (std::vector<std::int64_t>{3}));
  EXPECT_EQ(windows.before + windows.after, 0);
  EXPECT_EQ(Template::bert(101, 102, 1).windows(Ids{1, 2}, {.max_length = 1, .add_special_tokens = false}, 0).ids,
            (Ids{1, 2}));
}

TEST(Template, WindowsCannotShareAllTheyHave) {
  const auto message = [](std::int64_t overlap) {
    try {
      Template::bert(101, 102, 1).windows(Ids{1}, {.max_length = 6}, overlap);
      return std::string("accepted");
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  EXPECT_EQ(message(3), "accepted");
  EXPECT_EQ(message(4), "windows of 4 tokens of text cannot share 4");
  EXPECT_EQ(message(-1), "windows of 4 tokens of text cannot share -1");
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
