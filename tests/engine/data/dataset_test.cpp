// How examples become batches, and labels numbers.
#include "engine/data/dataset.h"

#include <gtest/gtest.h>

#include "tests/support/collator.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

using Ids = std::vector<std::int32_t>;

Dataset examples() {
  return {.name = "examples", .ids = {{1, 2, 3}, {}, {4}, {5, 6, 7, 8, 9}}, .labels = {0, 1, 2, 3}};
}

Batch batch_of(const Collator& collator, const Ids& rows) {
  return collator(examples(), rows);
}

TEST(Collator, PaddedToTheLongestOfTheBatch) {
  const Batch batch = batch_of({.pad_id = 99}, {2, 0});
  EXPECT_EQ(batch.ids, (Ids{4, 99, 99, 1, 2, 3}));
  EXPECT_EQ(batch.lengths, (Ids{1, 3}));
  EXPECT_EQ(batch.labels, (Ids{2, 0}));
  EXPECT_EQ(batch.padded_length, 3);
}

TEST(Collator, PaddedAndCutToAFixedLength) {
  const Batch batch = batch_of({.max_length = 4, .pad_id = 99}, {3, 0});
  EXPECT_EQ(batch.ids, (Ids{5, 6, 7, 8, 1, 2, 3, 99}));
  EXPECT_EQ(batch.lengths, (Ids{4, 3}));
  EXPECT_EQ(batch.padded_length, 4);
  EXPECT_EQ(batch_of({.max_length = 4, .pad_id = 99}, {2}).ids, (Ids{4, 99, 99, 99}));
}

TEST(Collator, Packed) {
  const Batch whole = batch_of({.pad_id = 99, .packed = true}, {3, 2, 0});
  EXPECT_EQ(whole.ids, (Ids{5, 6, 7, 8, 9, 4, 1, 2, 3}));
  EXPECT_EQ(whole.lengths, (Ids{5, 1, 3}));
  EXPECT_EQ(whole.padded_length, 0);
  const Batch cut = batch_of({.max_length = 2, .pad_id = 99, .packed = true}, {3, 2, 0});
  EXPECT_EQ(cut.ids, (Ids{5, 6, 4, 1, 2}));
  EXPECT_EQ(cut.lengths, (Ids{2, 1, 2}));
}

TEST(Collator, AnEmptyExampleIsPadding) {
  const Batch padded = batch_of({.pad_id = 99}, {1, 2});
  EXPECT_EQ(padded.ids, (Ids{99, 4}));
  EXPECT_EQ(padded.padded_length, 1);
  EXPECT_EQ(batch_of({.pad_id = 99}, {1}).ids, (Ids{99}));
  const Batch packed = batch_of({.pad_id = 99, .packed = true}, {1, 2});
  EXPECT_EQ(packed.ids, (Ids{99, 4}));
  EXPECT_EQ(packed.lengths, (Ids{1, 1}));
}

TEST(Collator, ExamplesWithoutLabels) {
  const Dataset unlabelled{.name = "x", .ids = {{1}, {2}}, .labels = {}};
  EXPECT_TRUE(Collator{}(unlabelled, Ids{0, 1}).labels.empty());
}

TEST(Datasets, TheLongestExample) {
  EXPECT_EQ(examples().longest(), 5);
  EXPECT_EQ(examples().size(), 4);
  EXPECT_EQ(Dataset{}.longest(), 0);
}

TEST(Labels, NumbersAndNames) {
  const std::vector<std::string> names = {"ham", "spam", "7"};
  EXPECT_EQ(parse_label("0", 2, {}, "f:1"), 0);
  EXPECT_EQ(parse_label("1", 2, {}, "f:1"), 1);
  EXPECT_EQ(parse_label("spam", 3, names, "f:1"), 1);
  EXPECT_EQ(parse_label("7", 3, names, "f:1"), 2);  // a name comes before a number
  EXPECT_EQ(parse_label("1", 3, names, "f:1"), 1);
}

TEST(Labels, ErrorsSayWhere) {
  for (const char* bad : {"2", "-1", "", "1.0", " 1", "1 ", "one", "99999999999999999999", "+1"}) {
    const std::string message = message_of([&] { parse_label(bad, 2, {}, "train.csv:17"); });
    EXPECT_TRUE(message.starts_with("train.csv:17: ")) << bad << ": " << message;
    EXPECT_NE(message.find(bad), std::string::npos) << message;
  }
  EXPECT_NE(message_of([] {
              parse_label("Spam", 2, {"ham", "spam"}, "f:1");
            }).find("names no class"),
            std::string::npos);
  EXPECT_NE(message_of([] { parse_label("2", 2, {}, "f:1"); }).find("0 .. 1"), std::string::npos);
}

}  // namespace
}  // namespace attune::testing
