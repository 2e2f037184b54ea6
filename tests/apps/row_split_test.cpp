// Rows that are dealt to splits: sizes, shares of each class, the same rows from the same seed anywhere, and the same
// examples from the written files.
#include "apps/support/row_split.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/parallel.h"
#include "engine/io/locked_folder.h"
#include "tests/apps/splits.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

using Sizes = std::array<std::int64_t, 3>;

// Of a first class.
Sizes sizes_of(std::int64_t rows, const SplitShares& shares) {
  SplitShares owed{};
  return split_sizes(rows, shares, owed);
}

std::string digits(std::span<const std::uint8_t> parts) {
  std::string out;
  for (const std::uint8_t part : parts) out += static_cast<char>('0' + part);
  return out;
}

TEST(SplitSizes, AreTheSharesWithLargestFractionsFirst) {
  const SplitShares usual = {0.8, 0.1, 0.1};
  EXPECT_EQ(sizes_of(10, usual), (Sizes{8, 1, 1}));
  EXPECT_EQ(sizes_of(1000, {0.7, 0.2, 0.1}), (Sizes{700, 200, 100})) << "0.7 * 1000 is not whole in binary";
  EXPECT_EQ(sizes_of(7, usual), (Sizes{5, 1, 1})) << "5.6, 0.7, 0.7";
  EXPECT_EQ(sizes_of(13, usual), (Sizes{11, 1, 1})) << "10.4, 1.3, 1.3";
  EXPECT_EQ(sizes_of(12, {0.5, 0.3, 0.2}), (Sizes{6, 4, 2})) << "6, 3.6, 2.4";
  EXPECT_EQ(sizes_of(15, usual), (Sizes{12, 2, 1})) << "12, 1.5, 1.5: the first of equal fractions";
  EXPECT_EQ(sizes_of(0, usual), (Sizes{0, 0, 0}));
}

TEST(SplitSizes, EverySplitHasARowWhereThereAreEnough) {
  EXPECT_EQ(sizes_of(3, {0.8, 0.1, 0.1}), (Sizes{1, 1, 1}));
  EXPECT_EQ(sizes_of(4, {0.8, 0.1, 0.1}), (Sizes{2, 1, 1}));
  EXPECT_EQ(sizes_of(5, {0.01, 0.01, 0.98}), (Sizes{1, 1, 3}));
  EXPECT_EQ(sizes_of(2, {0.8, 0.1, 0.1})[2], 0);
  EXPECT_EQ(sizes_of(3, {0.9, 0, 0.1}), (Sizes{2, 0, 1})) << "a share of 0 stays without";
  for (std::int64_t rows = 3; rows < 200; ++rows)
    for (const SplitShares& shares : {SplitShares{0.8, 0.1, 0.1}, {0.98, 0.01, 0.01}, {0.34, 0.33, 0.33}}) {
      const Sizes sizes = sizes_of(rows, shares);
      EXPECT_EQ(sizes[0] + sizes[1] + sizes[2], rows);
      for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_GE(sizes[i], 1);
        EXPECT_LT(std::abs(static_cast<double>(sizes[i]) - shares[i] * static_cast<double>(rows)), 2);
      }
    }
}

TEST(SplitSizes, ClassesTogetherHaveTheSharesToo) {
  SplitShares owed{};
  Sizes sum{};
  for (int k = 0; k < 100; ++k) {
    const Sizes sizes = split_sizes(15, {0.8, 0.1, 0.1}, owed);
    EXPECT_EQ(sizes, k % 2 == 0 ? (Sizes{12, 2, 1}) : (Sizes{12, 1, 2})) << k;
    for (std::size_t i = 0; i < 3; ++i) sum[i] += sizes[i];
  }
  EXPECT_EQ(sum, (Sizes{1200, 150, 150}));
}

// Computed by another program from the description in row_split.h.
TEST(DealRows, IsReproducible) {
  Ids classes;
  for (int row = 0; row < 20; ++row) classes.push_back(row % 3 == 0 ? 0 : 1);
  EXPECT_EQ(digits(deal_rows(classes, {0.8, 0.1, 0.1}, 123)), "10000021200000000000");
  EXPECT_EQ(digits(deal_rows(classes, {0.8, 0.1, 0.1}, 124)), "00000021010000000200");
  EXPECT_EQ(digits(deal_rows(Ids(12), {0.5, 0.3, 0.2}, (std::uint64_t{1} << 40) + 5)), "120011021000");
}

TEST(DealRows, EachClassHasTheShares) {
  Ids classes;
  for (int row = 0; row < 5000; ++row) classes.push_back(row % 50 == 0 ? 2 : row % 3 == 0 ? 0 : 1);
  const auto parts = deal_rows(classes, {0.7, 0.2, 0.1}, 1);
  std::map<std::int32_t, Sizes> counts;
  for (std::size_t row = 0; row < classes.size(); ++row) ++counts[classes[row]][parts[row]];
  SplitShares owed{};
  for (const auto& [k, sizes] : counts)
    EXPECT_EQ(sizes, split_sizes(sizes[0] + sizes[1] + sizes[2], {0.7, 0.2, 0.1}, owed));
  EXPECT_EQ(counts[2], (Sizes{70, 20, 10}));
  // At random: the parts of the first half of the rows are not far from the shares.
  const auto first = std::count(parts.begin(), parts.begin() + 2500, 0);
  EXPECT_NEAR(static_cast<double>(first), 1750, 100);
}

class SplitFile : public Splits {
 protected:
  void SetUp() override {
    std::string text = "text,label\n";
    for (int row = 0; row < 3000; ++row)
      text += "\"row, " + std::to_string(row) + "\"," + (row % 5 == 0 ? "rare" : "usual") + "\n";
    write_file(path_, text);
  }
  SplitSources sources(std::uint64_t seed = 123, const SplitShares& shares = {0.8, 0.1, 0.1}) const {
    const auto split = std::make_shared<RowSplit>(path_, shares, seed);
    return {SplitSource{path_, 0, split}, {path_, 1, split}, {path_, 2, split}};
  }
  std::vector<Dataset> read_all(const SplitSources& from, const std::string& cache, std::int64_t max_rows = 0) {
    ClassLabels labels("label", 2);
    SplitReader reader(tokenizer_, {}, labels, cache);
    std::vector<Dataset> out;
    tokenizer_.encoded = 0;
    for (const SplitSource& source : from) out.push_back(reader.read(source, max_rows, 0));
    hit_ = tokenizer_.encoded == 0;
    return out;
  }
  static void expect_equal(const std::vector<Dataset>& a, const std::vector<Dataset>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].digest, b[i].digest) << i;
  }
};

TEST_F(SplitFile, PartsKeepTheOrderOfTheFile) {
  const std::vector<Dataset> all = read_all(sources(), "");
  EXPECT_EQ(all[0].size(), 2400);
  EXPECT_EQ(all[1].size(), 300);
  EXPECT_EQ(all[2].size(), 300);
  Ids classes;
  for (int row = 0; row < 3000; ++row) classes.push_back(row % 5 == 0 ? 0 : 1);
  const auto parts = deal_rows(classes, {0.8, 0.1, 0.1}, 123);
  std::array<std::int64_t, 3> at{};
  for (int row = 0; row < 3000; ++row) {
    const std::uint8_t part = parts[static_cast<std::size_t>(row)];
    const Dataset& split = all[part];
    const auto e = static_cast<std::size_t>(at[part]++);
    const std::string text = "row, " + std::to_string(row);
    const auto begin = static_cast<std::size_t>(split.starts.values<std::int64_t>()[e]);
    const auto ids = split.ids.values<std::int32_t>().subspan(begin, text.size());
    ASSERT_TRUE(std::ranges::equal(ids, text)) << row;
    ASSERT_EQ(split.labels.values<std::int32_t>()[e], classes[static_cast<std::size_t>(row)]) << row;
  }
}

TEST_F(SplitFile, ThreadsDoNotMatter) {
  const int threads = num_threads();
  const std::vector<Dataset> usual = read_all(sources(), "");
  for (const int n : {1, 3}) {
    set_num_threads(n);
    expect_equal(read_all(sources(), ""), usual);
  }
  set_num_threads(threads);
}

TEST_F(SplitFile, StoredIdsKnowTheSplit) {
  const std::vector<Dataset> made = read_all(sources(), cache_);
  EXPECT_FALSE(hit_);
  expect_equal(read_all(sources(), cache_), made);
  EXPECT_TRUE(hit_);
  EXPECT_NE(read_all(sources(124), cache_)[0].digest, made[0].digest);
  EXPECT_FALSE(hit_);
  (void)read_all(sources(123, {0.80000008, 0.09999996, 0.09999996}), cache_);
  EXPECT_FALSE(hit_) << "shares that differ in the eighth digit";
  std::filesystem::remove(kept().at(0));
  expect_equal(read_all(sources(), cache_), made);
}

TEST_F(SplitFile, AFileThatChangesBetweenItsSplitsIsAnError) {
  for (const std::string& cache : {std::string(), cache_}) {
    ClassLabels labels("label", 2);
    SplitReader reader(tokenizer_, {}, labels, cache);
    const SplitSources from = sources();
    reader.read(from[0], 0, 0);
    write_file(path_, read_file(path_) + "one more,rare\n");
    EXPECT_EQ(message_of([&] { reader.read(from[1], 0, 0); }), path_ + ": has changed while it was read");
  }
}

TEST(ChooseRows, HasEachClassInItsShare) {
  Ids classes(900, 0);
  classes.resize(990, 1);
  classes.resize(1000, 2);
  const auto parts = deal_rows(classes, {0.8, 0.1, 0.1}, 9);
  const auto counts = [&](std::uint8_t part, std::int64_t rows, std::uint64_t seed = 9) {
    Sizes out{};
    const auto chosen = choose_rows(parts, part, classes, rows, seed);
    for (std::size_t row = 0; row < classes.size(); ++row) {
      if (chosen[row] == part) ++out[static_cast<std::size_t>(classes[row])];
      EXPECT_TRUE(chosen[row] == parts[row] || (parts[row] == part && chosen[row] > 2)) << row;
    }
    return out;
  };
  EXPECT_EQ(counts(0, 400), (Sizes{360, 36, 4}));
  EXPECT_EQ(counts(0, 3), (Sizes{1, 1, 1})) << "every class, where there are enough";
  EXPECT_EQ(counts(0, 2), (Sizes{1, 1, 0}));
  EXPECT_EQ(counts(1, 50), (Sizes{44, 5, 1})) << "less than a row from the share of 45, 4.5, 0.5";
  EXPECT_EQ(counts(1, 100000), (Sizes{90, 9, 1}));
  // More rows include fewer, others do not follow the file, and the seed decides which.
  const auto fewer = choose_rows(parts, 0, classes, 100, 9), more = choose_rows(parts, 0, classes, 200, 9);
  for (std::size_t row = 0; row < classes.size(); ++row) EXPECT_TRUE(fewer[row] != 0 || more[row] == 0);
  EXPECT_NEAR(static_cast<double>(std::count(more.begin(), more.begin() + 450, 0)), 90, 30);
  EXPECT_NE(choose_rows(parts, 0, classes, 100, 10), fewer);
}

// A sorted file has every class in its share, whatever the limit.
TEST_F(SplitFile, SomeRowsOfASortedFile) {
  std::string text = "text,label\n";
  for (int row = 0; row < 3000; ++row) text += std::to_string(row) + "," + (row < 600 ? "rare" : "usual") + "\n";
  write_file(path_, text);
  for (const std::string& cache : {std::string(), cache_, cache_}) {
    const std::vector<Dataset> all = read_all(sources(), cache), some = read_all(sources(), cache, 50);
    for (std::size_t i = 0; i < 3; ++i) {
      ASSERT_EQ(some[i].size(), 50);
      EXPECT_EQ(std::ranges::count(words_of(some[i].labels), 0), 10) << "a fifth is rare";
      EXPECT_NE(some[i].digest, all[i].digest);
    }
    EXPECT_EQ(read_all(sources(), cache, 1'000'000)[1].digest, all[1].digest);
  }
  EXPECT_TRUE(hit_);
}

TEST_F(SplitFile, WrittenFilesHaveTheSameExamples) {
  const ClassLabels labels("label", 2);
  const std::string folder = folder_ / "splits";
  check_split_output(folder, sources());
  {
    const LockedFolder other(folder);
    EXPECT_NE(message_of([&] { write_splits(folder, "", sources(), {}, labels); }).find("another run"),
              std::string::npos);
    write_splits(folder, folder, sources(), {}, labels);  // the run's own --output
    for (const char* name : {"train.csv", "validation.csv", "test.csv"}) std::filesystem::remove(folder + "/" + name);
  }
  write_splits(folder, "", sources(), {}, labels);
  const SplitSources written = {
      SplitSource{folder + "/train.csv", 0}, {folder + "/validation.csv", 1}, {folder + "/test.csv", 2}};
  expect_equal(read_all(written, ""), read_all(sources(), ""));
  EXPECT_EQ(message_of([&] { check_split_output(folder, written); }),
            "--split_output " + folder + ": " + folder + "/train.csv is a file that the run reads");
  EXPECT_EQ(message_of([&] { check_split_output(folder_ / "", sources()); }),
            "--split_output " + (folder_ / "") + ": " + path_ + " is a file that the run reads");
}

TEST_F(SplitFile, ASplitWithoutAClassIsAnError) {
  write_file(path_, "text,label\na,x\nb,x\nc,x\nd,y\ne,y\n");
  EXPECT_EQ(message_of([&] { (void)read_all(sources(), cache_); }),
            path_ + ": 'y' has 2 rows: --split 0.8/0.1/0.1 leaves none for the test split");
  EXPECT_TRUE(kept().empty());
}

TEST_F(SplitFile, NumbersAreDealtWithoutClasses) {
  std::string text = "text,label\n";
  for (int row = 0; row < 100; ++row) text += "a," + std::to_string(row) + ".5\n";
  write_file(path_, text);
  NumberLabels labels({"label"}, false);
  const SplitSources from = sources();
  const auto parts = from[0].split->parts({}, labels);
  const std::vector<std::int32_t> same(100);
  EXPECT_EQ(digits(parts), digits(deal_rows(same, {0.8, 0.1, 0.1}, 123)));
}

}  // namespace
}  // namespace attune::testing
