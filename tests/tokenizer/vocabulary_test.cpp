#include "tokenizer/vocabulary.h"

#include <gtest/gtest.h>

#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

TEST(Vocabulary, BothWays) {
  Vocabulary vocabulary("v.json");
  vocabulary.add("b", 1);
  vocabulary.add("a", 0);
  vocabulary.check_complete();
  EXPECT_EQ(vocabulary.size(), 2);
  EXPECT_EQ(vocabulary.token(1), "b");
  EXPECT_EQ(vocabulary.id("a"), 0);
  EXPECT_EQ(vocabulary.id("c"), -1);
  EXPECT_THROW(vocabulary.token(2), Error);
  EXPECT_THROW(vocabulary.token(-1), Error);
}

TEST(Vocabulary, NamesDuplicatesAndGaps) {
  Vocabulary vocabulary("v.json");
  vocabulary.add("a", 0);
  EXPECT_EQ(message_of([&] { vocabulary.add("b", 0); }), "v.json: id 0 is given to both \"a\" and \"b\"");
  EXPECT_EQ(message_of([&] { vocabulary.add("a", 1); }), "v.json: token \"a\" appears twice, with ids 0 and 1");
  Vocabulary gap("v.json");
  gap.add("a", 0);
  gap.add("b", 2);
  EXPECT_EQ(message_of([&] { gap.check_complete(); }), "v.json: id 1 has no token, while ids go up to 2");
  EXPECT_THROW(gap.add("c", -1), Error);
  EXPECT_THROW(gap.add("c", std::int64_t{1} << 40), Error);
  EXPECT_THROW(Vocabulary("v.json").check_complete(), Error);
}

// One token with a huge id would otherwise need memory for all ids below it.
TEST(Vocabulary, IdsFarBeyondTheTokensAreRefused) {
  Vocabulary vocabulary("v.json");
  EXPECT_EQ(message_of([&] { vocabulary.add("a", 16777215); }),
            "v.json: token \"a\" has id 16777215, but with 1 tokens the largest id may be 65536");
  vocabulary.add("a", 65536);
  Vocabulary large("v.json");
  large.expect(200000);
  large.add("last", 199999);
  EXPECT_THROW(large.add("beyond", 300000), Error);
  large.expect(std::size_t{1} << 30);
  EXPECT_THROW(large.add("beyond", 16777216), Error);
}

TEST(Vocabulary, ViewsSurviveMovesAndGrowth) {
  Vocabulary vocabulary("v.json");
  vocabulary.add("x", 0);
  const std::string_view x = vocabulary.token(0);
  for (int i = 1; i < 5000; ++i) vocabulary.add(str_cat("t", i), i);
  const Vocabulary moved = std::move(vocabulary);
  EXPECT_EQ(x, "x");
  EXPECT_EQ(moved.id("t4999"), 4999);
}

}  // namespace
}  // namespace attune::testing
