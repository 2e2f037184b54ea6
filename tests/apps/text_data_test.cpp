// Texts and labels from files: the same with and without stored ids, in the order of the file, and with the line of the
// first mistake.
#include <filesystem>
#include <map>
#include <utility>

#include "apps/support/text_facts.h"
#include "tests/apps/splits.h"
#include "tests/support/message_of.h"

namespace {
// This file loses half of its bytes before the next read of any file, once.
std::string cut_at_next_read;
}  // namespace
extern "C" ssize_t __real_pread(int fd, void* to, std::size_t bytes, off_t at);
extern "C" ssize_t __wrap_pread(int fd, void* to, std::size_t bytes, off_t at) {
  if (const std::string path = std::exchange(cut_at_next_read, {}); !path.empty())
    std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  return __real_pread(fd, to, bytes, at);
}

namespace attune::testing {
namespace {

TEST_F(Splits, AFileThatBecomesShorterIsAnError) {
  cut_at_next_read = path_;
  EXPECT_EQ(message_of([&] { read(); }), path_ + ": was cut while it was read");
  EXPECT_TRUE(cut_at_next_read.empty());
}

// "ab", "" and "abc" in windows of two tokens, from the text and from stored ids, which are those of the overlap.
TEST_F(Splits, LongTextsBecomeWindows) {
  const auto read_windows = [&](std::optional<std::int64_t> overlap) {
    ClassLabels labels("label", 2);
    tokenizer_.encoded = 0;
    Dataset out = SplitReader(tokenizer_, {}, labels, cache_, overlap).read({path_}, 0, 2);
    out.check();
    return out;
  };
  for (const bool stored : {false, true}) {
    const Dataset one = read_windows(1), none = read_windows(0);
    EXPECT_EQ(tokenizer_.encoded == 0, stored);
    EXPECT_EQ(words_of(one.ids), (Ids{'a', 'b', 'a', 'b', 'b', 'c'}));
    EXPECT_EQ(words_of(none.ids), (Ids{'a', 'b', 'a', 'b', 'c'}));
    for (const Dataset& split : {one, none}) {
      EXPECT_EQ(split.size(), 3);
      EXPECT_EQ(split.window_count(), 4);
      EXPECT_EQ(split.first_window(2), 2);
      EXPECT_EQ(words_of(split.labels), (Ids{0, 1, 1}));
      const TextFacts facts = facts_of(split);
      EXPECT_EQ(facts.lengths->windows, 4);
      EXPECT_EQ(facts.lengths->longest, split.length(2));
      EXPECT_EQ(facts.lengths->cut, 0);
    }
    EXPECT_NE(one.digest, none.digest);
    const Dataset cut = read_windows({});
    EXPECT_FALSE(cut.windows.defined());
    EXPECT_EQ(words_of(cut.ids), (Ids{'a', 'b', 'a', 'b'}));
    EXPECT_FALSE(facts_of(cut).lengths->windows);
  }
  EXPECT_EQ(kept().size(), 3u);
}

TEST_F(Splits, AllKindsOfLabelsAreTheSameWithAndWithoutTheCache) {
  write_file(path_, "text,pair,name,list,x,y\nab,c,dog,\"a,b\",1,0\n\"d\"\"e\",,cat,b,0,1\n,f,dog,,1,1\n");
  const auto reader = [](int kind) -> std::unique_ptr<LabelReader> {
    if (kind == 0) return std::make_unique<ClassLabels>("name", 2);
    if (kind == 1) return std::make_unique<ListedLabels>("list", ",");
    return std::make_unique<NumberLabels>(std::vector<std::string>{"x", "y"}, kind == 2);
  };
  for (int kind = 0; kind < 4; ++kind)
    for (const char* pair : {"", "pair"}) {
      std::vector<Dataset> all;
      std::vector<std::string> states;
      for (const std::string& cache : {std::string(), cache_, cache_}) {
        const auto labels = reader(kind);
        tokenizer_.encoded = 0;
        all.push_back(SplitReader(tokenizer_, {.pair = pair}, *labels, cache).read({path_}, 0, 0));
        EXPECT_EQ(tokenizer_.encoded == 0, all.size() == 3);
        states.push_back(labels->state());
      }
      for (const Dataset& split : all) {
        EXPECT_EQ(split.digest, all[0].digest);
        EXPECT_EQ(words_of(split.ids), words_of(all[0].ids));
        EXPECT_EQ(split.type_ids.defined(), *pair != '\0');
        EXPECT_EQ(words_of(split.type_ids), words_of(all[0].type_ids));
        EXPECT_EQ(split.labels.shape(), all[0].labels.shape());
        EXPECT_EQ(words_of(split.labels), words_of(all[0].labels));
      }
      EXPECT_EQ(states, std::vector<std::string>(3, states[0]));
    }
  EXPECT_EQ(kept().size(), 8u) << "each has a file of its own";
}

TEST_F(Splits, WithoutACacheNothingIsKept) {
  const std::string digest = read().digest;
  cache_.clear();
  ::testing::internal::CaptureStderr();
  expect_usual(read());
  EXPECT_EQ(read().digest, digest);
  EXPECT_FALSE(hit_);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST_F(Splits, ErrorsKeepNothingAndNameTheLine) {
  write_file(path_, "text,label\na,0\nb,1,2\n");
  EXPECT_EQ(message_of([&] { read(); }), path_ + ":3: found 3 fields where the header has 2");
  write_file(path_, "text,label\n");
  EXPECT_EQ(message_of([&] { read(); }), path_ + ": there are no rows below the header");
  EXPECT_TRUE(kept().empty());
}

TEST_F(Splits, ManyTextsKeepTheirOrder) {
  std::string text = "text,label\n";
  for (int i = 0; i < 9000; ++i) text += std::to_string(i) + "," + std::to_string(i % 2) + "\n";
  write_file(path_, text);
  for (const bool hit : {false, true}) {
    const Dataset split = read(0);
    EXPECT_EQ(hit_, hit);
    ASSERT_EQ(split.size(), 9000);
    const auto starts = split.starts.values<std::int64_t>();
    const auto ids = split.ids.values<std::int32_t>();
    for (std::size_t i = 0; i < 9000; ++i) {
      std::string digits;
      for (std::int64_t t = starts[i]; t < starts[i + 1]; ++t)
        digits += static_cast<char>(ids[static_cast<std::size_t>(t)]);
      ASSERT_EQ(digits, std::to_string(i));
    }
  }
}

// Rows are parsed and encoded in parts, some of them before those that precede them.
TEST_F(Splits, TheFirstMistakeOfManyRowsIsReported) {
  const auto file = [](int rows, const std::map<int, std::string>& others) {
    std::string out = "text,label\n";
    for (int line = 2; line < rows + 2; ++line)
      out += others.contains(line) ? others.at(line) + "\n"
                                   : std::string(300, 'x') + "," + std::to_string(line % 2) + "\n";
    return out;
  };
  for (const int line : {2, 500, 9'000, 20'001}) {
    const std::string where = path_ + ":" + std::to_string(line) + ": ";
    write_file(path_, file(20'000, {{line, "x,1,2"}, {line + 10, "x\"y,1"}}));
    EXPECT_EQ(message_of([&] { read(); }), where + "found 3 fields where the header has 2");
    const std::string other = folder_ / "test.csv";
    ClassLabels labels("label", 2);
    SplitReader reader(tokenizer_, {}, labels, cache_);
    write_file(path_, file(20'000, {}));
    reader.read({path_}, 0, 2);
    write_file(other, file(20'000, {{line, "x,2"}, {line + 1, "x,1,2"}}));
    EXPECT_EQ(message_of([&] { reader.read({other}, 0, 2); }),
              other + where.substr(path_.size()) + "the label 2 is not a class; there are 2 (0 .. 1)");
  }
  write_file(path_, file(20'000, {{20'001, "x,1,2"}}));
  const Dataset most = read(2, 19'999);
  EXPECT_EQ(most.size(), 19'999) << "rows that are not wanted are not parsed";
  EXPECT_EQ(most.labels.values<std::int32_t>()[19'998], 0);
}

}  // namespace
}  // namespace attune::testing
