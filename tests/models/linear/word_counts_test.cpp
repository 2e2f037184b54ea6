#include "models/linear/word_counts.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/parallel.h"
#include "models/linear/word_table.h"

namespace attune {
namespace {

// Words are what stands between spaces.
void split_at_spaces(std::string_view text, std::string&, std::vector<std::string_view>& words) {
  words.clear();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    if (end > at) words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
}

std::vector<std::string> words_of(const WordTable& table) {
  std::vector<std::string> words;
  for (std::int32_t i = 0; i < table.size(); ++i) words.emplace_back(table.word(i));
  return words;
}

using Rows = std::vector<std::map<std::int32_t, std::int32_t>>;
Rows rows_of(const CountMatrix& matrix) {
  Rows rows;
  for (std::int64_t i = 0; i < matrix.rows(); ++i) {
    rows.emplace_back();
    std::int32_t last = -1;
    for (auto k = static_cast<std::size_t>(matrix.row_starts[static_cast<std::size_t>(i)]);
         k < static_cast<std::size_t>(matrix.row_starts[static_cast<std::size_t>(i) + 1]); ++k) {
      EXPECT_LT(last, matrix.column_ids[k]) << "row " << i << " is not sorted";
      last = matrix.column_ids[k];
      rows.back()[last] = matrix.counts[k];
    }
  }
  return rows;
}

class Threads {
 public:
  explicit Threads(int threads) : before_(num_threads()) { set_num_threads(threads); }
  ~Threads() { set_num_threads(before_); }

 private:
  int before_;
};

TEST(WordTable, IdsInOrderOfInsertion) {
  WordTable table;
  EXPECT_EQ(table.size(), 0);
  EXPECT_EQ(table.find("a"), -1);
  EXPECT_EQ(table.insert("b"), 0);
  EXPECT_EQ(table.insert("a"), 1);
  EXPECT_EQ(table.insert("b"), 0);
  EXPECT_EQ(table.find("a"), 1);
  EXPECT_EQ(table.size(), 2);
  EXPECT_EQ(table.word(0), "b");
}

// Words that share their first eight bytes, their length, or all but one byte; among them the empty one and zero bytes.
TEST(WordTable, TellsSimilarWordsApart) {
  std::vector<std::string> words = {"", std::string(1, '\0'), std::string(2, '\0'), std::string(9, '\0')};
  for (std::size_t length = 1; length <= 40; ++length)
    for (std::size_t at = 0; at < length; ++at) {
      std::string word(length, 'a');
      word[at] = 'b';
      words.push_back(word);
    }
  WordTable table;
  for (std::size_t i = 0; i < words.size(); ++i) EXPECT_EQ(table.insert(words[i]), static_cast<std::int32_t>(i));
  for (std::size_t i = 0; i < words.size(); ++i) {
    EXPECT_EQ(table.find(words[i]), static_cast<std::int32_t>(i));
    EXPECT_EQ(table.word(static_cast<std::int32_t>(i)), words[i]);
  }
  EXPECT_EQ(table.find(std::string(41, 'a')), -1);
}

TEST(WordTable, GrowsToManyWords) {
  WordTable table;
  for (int i = 0; i < 50000; ++i) ASSERT_EQ(table.insert("word" + std::to_string(i * 7)), i);
  for (int i = 0; i < 50000; ++i) ASSERT_EQ(table.find("word" + std::to_string(i * 7)), i);
  EXPECT_EQ(table.find("word1"), -1);
}

TEST(CountWords, SmallCaseByHand) {
  const std::vector<std::string> documents = {"b a b", "", "c a", "b"};
  const WordCounts counted = count_words(documents, split_at_spaces);
  EXPECT_EQ(words_of(counted.vocabulary), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(counted.counts.columns, 3);
  EXPECT_EQ(counted.counts.row_starts, (std::vector<std::int64_t>{0, 2, 2, 4, 5}));
  EXPECT_EQ(counted.counts.column_ids, (std::vector<std::int32_t>{0, 1, 0, 2, 1}));
  EXPECT_EQ(counted.counts.counts, (std::vector<std::int32_t>{1, 2, 1, 1, 1}));
}

TEST(CountWords, UnknownWordsAreIgnored) {
  const std::vector<std::string> train = {"b d"}, test = {"a b c b d e", "x y", ""};
  const WordCounts counted = count_words(train, split_at_spaces);
  const CountMatrix matrix = count_words(test, split_at_spaces, counted.vocabulary);
  EXPECT_EQ(matrix.columns, 2);
  EXPECT_EQ(rows_of(matrix), (Rows{{{0, 2}, {1, 1}}, {}, {}}));
}

TEST(CountWords, NoDocumentsAndNoWords) {
  EXPECT_EQ(count_words({}, split_at_spaces).counts.rows(), 0);
  const std::vector<std::string> documents = {"", "  "};
  const WordCounts counted = count_words(documents, split_at_spaces);
  EXPECT_EQ(counted.vocabulary.size(), 0);
  EXPECT_EQ(counted.counts.rows(), 2);
  EXPECT_EQ(counted.counts.nonzeros(), 0);
}

// Byte order of UTF-8 is code-point order: not that of signed characters, nor of UTF-16 (U+FFFD before U+1D7D8 there
// too, but U+E000 after it).
TEST(CountWords, ColumnsInCodePointOrder) {
  const std::vector<std::string> documents = {"\xF0\x9D\x9F\x98 \xEE\x80\x80 \xC3\xBC z \xC5\xBC a _ 0 zz \xC3\xBCz"};
  EXPECT_EQ(words_of(count_words(documents, split_at_spaces).vocabulary),
            (std::vector<std::string>{"0", "_", "a", "z", "zz", "\xC3\xBC", "\xC3\xBCz", "\xC5\xBC", "\xEE\x80\x80",
                                      "\xF0\x9D\x9F\x98"}));
}

// Against maps and sets, for several numbers of threads.
TEST(CountWords, RandomDocumentsEqualTheSlowWay) {
  std::mt19937 random(7);
  std::vector<std::string> documents(1000);
  for (std::string& document : documents)
    for (std::uint32_t words = random() % 60; words > 0; --words)
      document += "w" + std::to_string(random() % (1 + random() % 5000)) + " ";
  std::set<std::string, std::less<>> vocabulary;
  std::string buffer;
  std::vector<std::string_view> words;
  for (const std::string& document : documents) {
    split_at_spaces(document, buffer, words);
    vocabulary.insert(words.begin(), words.end());
  }
  std::map<std::string, std::int32_t, std::less<>> column;
  for (const std::string& word : vocabulary) column.emplace(word, static_cast<std::int32_t>(column.size()));
  Rows expected;
  for (const std::string& document : documents) {
    expected.emplace_back();
    split_at_spaces(document, buffer, words);
    for (const std::string_view word : words) ++expected.back()[column.find(word)->second];
  }
  for (const int threads : {1, 2, 3, 7}) {
    const Threads use(threads);
    const WordCounts counted = count_words(documents, split_at_spaces);
    EXPECT_EQ(words_of(counted.vocabulary), std::vector<std::string>(vocabulary.begin(), vocabulary.end()));
    EXPECT_EQ(rows_of(counted.counts), expected) << threads << " threads";
    EXPECT_EQ(rows_of(count_words(documents, split_at_spaces, counted.vocabulary)), expected) << threads << " threads";
  }
}

TEST(CountWords, AnErrorOfTheSplitterReachesTheCaller) {
  const std::vector<std::string> documents(500, "a");
  const WordSplitter fail = [](std::string_view, std::string&, std::vector<std::string_view>&) { throw Error("no"); };
  EXPECT_THROW(count_words(documents, fail), Error);
}

}  // namespace
}  // namespace attune
