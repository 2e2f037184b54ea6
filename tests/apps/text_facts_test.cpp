// What is said of a run's texts: lengths, repeated and empty texts, the same with and without stored ids.
#include "apps/support/text_facts.h"

#include "apps/support/class_counts.h"
#include "tests/apps/splits.h"

namespace attune::testing {
namespace {

TEST(TextMarks, AreEqualForEqualTextsOnly) {
  std::vector<std::string> texts;
  for (int length = 0; length < 40; ++length)
    for (const char* begin : {"", "a", "b", "\n"})
      texts.push_back(begin + std::string(static_cast<std::size_t>(length), 'x'));
  for (const std::size_t zeros : {1, 8, 9}) texts.push_back(std::string(zeros, '\0'));
  EXPECT_EQ(repeated(facts_of(texts)), 0);
  texts.insert(texts.end(), {"axx", "b"});
  EXPECT_EQ(repeated(facts_of(texts)), 2);
  EXPECT_NE(text_mark("ab", "c", false), text_mark("a", "bc", false)) << "pairs";
  EXPECT_NE(text_mark("a", "b", false), text_mark("b", "a", false));
}

TEST(TextMarks, EmptyTexts) {
  EXPECT_EQ(facts_of(std::vector<std::string>{"", " \t\r\n", "a ", ".", "\n"}).empty, 3);
}

TEST(TextFacts, AreSharedByTwoSplits) {
  const TextFacts a = facts_of(std::vector<std::string>{"x", "y", "y", "z"});
  const TextFacts b = facts_of(std::vector<std::string>{"y", "w", "z", "y", "y"});
  EXPECT_EQ(repeated(a), 1);
  EXPECT_EQ(repeated(b), 2);
  EXPECT_EQ(shared(a, b), 3) << "y, y and z";
  EXPECT_EQ(shared(b, a), 4) << "y, y, y and z";
}

TEST_F(Splits, FactsOfTextsAreTheSameFromStoredIds) {
  std::string text = "text,pair,label\n";
  for (int i = 1; i <= 100; ++i)
    text += std::string(static_cast<std::size_t>(i), 'a') + ",," + std::to_string(i % 2) + "\n";
  write_file(path_, text + "aaaa,,0\n\" \",,1\n");
  for (const bool hit : {false, true}) {
    const TextFacts facts = facts_of(read(90));
    EXPECT_EQ(hit_, hit);
    EXPECT_EQ(facts.hashes.size(), 102u);
    EXPECT_EQ(repeated(facts), 1);
    EXPECT_EQ(facts.empty, 1);
    ASSERT_TRUE(facts.lengths);
    EXPECT_EQ(facts.lengths->median, 49) << "the 51st of 1, 1, 2, 3, 4, 4, 5, ...";
    EXPECT_EQ(facts.lengths->percentile_95, 90);
    EXPECT_EQ(facts.lengths->longest, 90);
    EXPECT_DOUBLE_EQ(facts.lengths->cut, 10 / 102.0) << "a text of 90 is not cut";
  }
}

TEST_F(Splits, TextsThatDifferAfterTheCutAreNotRepeated) {
  write_file(path_, "text,label\nabc,0\nabd,1\n");
  const TextFacts facts = facts_of(read(2));
  EXPECT_EQ(repeated(facts), 0);
  EXPECT_DOUBLE_EQ(facts.lengths->cut, 1);
}

TEST(SplitTable, HasLengthsAndWarnings) {
  const Tensor labels = Tensor::from(Ids{0, 1}, {2});
  std::vector<SplitSummary> splits = {{"train", labels, facts_of(std::vector<std::string>{"x", "x"})},
                                      {"test", labels, facts_of(std::vector<std::string>{"x", ""})}};
  for (SplitSummary& split : splits) split.texts.lengths = TokenLengths{7, 20, 32, 0.0449};
  ::testing::internal::CaptureStdout();
  print_splits({}, splits);
  EXPECT_EQ(::testing::internal::GetCapturedStdout(),
            "Examples            train        test\n"
            "all                     2           2\n"
            "median tokens           7           7\n"
            "95 % up to             20          20\n"
            "longest                32          32\n"
            "cut                  4.5%        4.5%\n");
  ::testing::internal::CaptureStderr();
  warn_of_texts(splits);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "warning: empty texts: 1 in test\n"
            "warning: texts that occur before: 1 in train, 1 of test also in train\n");
  ::testing::internal::CaptureStderr();
  warn_of_texts({{"train", labels, facts_of(std::vector<std::string>{"x", "y"})}});
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace attune::testing
