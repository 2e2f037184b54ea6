// The list of --seeds, and the spread of values.
#include "apps/support/seed_runs.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/io/files.h"
#include "tests/support/data.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

TEST(SeedLists, RangesAndNumbers) {
  EXPECT_EQ(seed_list("5"), (std::vector<std::uint64_t>{5}));
  EXPECT_EQ(seed_list("1..3"), (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_EQ(seed_list("7,1..2,0"), (std::vector<std::uint64_t>{7, 1, 2, 0}));
  EXPECT_EQ(seed_list("18446744073709551615"), (std::vector<std::uint64_t>{~std::uint64_t{0}}));
  EXPECT_EQ(seed_list("18446744073709551614..18446744073709551615").size(), 2u);
  EXPECT_EQ(seed_list("1..1000").size(), 1000u);
}

TEST(SeedLists, Mistakes) {
  for (const char* text :
       {"", ",", "1,", "a", "1..", "..1", "1...3", "-1", "+1", "1 ,2", "0x1", "18446744073709551616"})
    EXPECT_EQ(message_of([&] { seed_list(text); }),
              "--seeds " + std::string(text) + ": is no list of seeds, as 1..5 or 1,2,7");
  EXPECT_EQ(message_of([] { seed_list("3..1"); }), "--seeds 3..1: 3 is above 1");
  EXPECT_EQ(message_of([] { seed_list("1..3,2"); }), "--seeds 1..3,2: has the seed 2 twice");
  for (const char* text : {"1..1001", "0..18446744073709551615", "1..600,601..1001"})
    EXPECT_EQ(message_of([&] { seed_list(text); }), "--seeds " + std::string(text) + ": has more than 1000 seeds");
}

TEST(Spreads, OfSomeValues) {
  const Spread spread = spread_of({2, 4, 4, 4, 5, 5, 7, 9});
  EXPECT_DOUBLE_EQ(spread.mean, 5);
  EXPECT_DOUBLE_EQ(spread.deviation, std::sqrt(32.0 / 7));
  EXPECT_EQ(spread.min, 2);
  EXPECT_EQ(spread.max, 9);
  const Spread one = spread_of({0.5});
  EXPECT_EQ(one.mean, 0.5);
  EXPECT_TRUE(std::isnan(one.deviation));
  EXPECT_TRUE(std::isnan(spread_of({1, std::numeric_limits<double>::quiet_NaN()}).mean));
  EXPECT_TRUE(std::isnan(spread_of({}).min));
}

// A seeds.json of another version may have other members, so nothing else is read of it.
std::string error_of(const std::string& file, const std::string& program, const std::string& version) {
  write_file(file, R"({"attune": ")" + version + R"(", "program": ")" + program + R"("})");
  return message_of([&] { read_seed_record(file, "train_gpt"); });
}

// As the error of another one says it.
std::string this_version(const std::string& file) {
  const std::string says = error_of(file, "train_gpt", "0.0.0");
  return says.substr(says.rfind(' ') + 1);
}

// What --resume goes on with.
class SeedRecords : public ::testing::Test {
 protected:
  SeedRecord read(const std::string& seeds, const std::string& runs) const {
    write_file(file_, R"({"attune": ")" + version_ + R"(", "program": "train_gpt", "seeds": [)" + seeds +
                          R"(], "options": {"--lr": "1"}, "data": {"train": "ab"},
      "headlines": [{"measure": "accuracy", "title": "accuracy", "percent": true}], "runs": [)" +
                          runs + "]}");
    return read_seed_record(file_, "train_gpt");
  }
  static std::string run(int seed, const std::string& accuracy) {
    return str_cat(R"({"seed": )", seed, R"(, "measures": {"test": {"accuracy": )", accuracy, "}}}");
  }

  TempDir dir_;
  std::string file_ = dir_ / "seeds.json", version_ = this_version(file_);
};

TEST_F(SeedRecords, AnotherProgramOrVersionIsNamedFirst) {
  EXPECT_TRUE(error_of(file_, "train_gpt", "0.0.0").starts_with(file_ + ": was made by attune 0.0.0; this is "));
  EXPECT_EQ(error_of(file_, "train_bert", version_), file_ + ": has the runs of train_bert");
}

// Without a measure that can be read the next run would be lost.
TEST_F(SeedRecords, AMeasureThatIsNoNumberIsAnErrorBeforeTheNextRun) {
  const SeedRecord record = read("1, 2", run(1, "0.5"));
  EXPECT_EQ(record.seeds, 2u);
  EXPECT_EQ(record.options.front().second + record.data.front().second, "1ab");
  EXPECT_EQ(record.measures.front().title, "accuracy");
  EXPECT_EQ(record.runs.front().first, 1u);
  EXPECT_NO_THROW(read("1, 2", run(1, "null")));
  EXPECT_EQ(message_of([&] { read("1, 2", run(1, "\"half\"")); }),
            file_ + ": runs[0].measures.test.accuracy: must be a number, found \"half\"");
}

// A run that counts twice would change the mean.
TEST_F(SeedRecords, ASeedThatOccursTwiceIsAnError) {
  EXPECT_EQ(message_of([&] { read("1, 2", run(2, "0.5") + ", " + run(1, "0.5") + ", " + run(2, "0.6")); }),
            file_ + ": runs[2].seed: the seed 2 occurs twice");
  EXPECT_EQ(message_of([&] { read("1, 1", run(1, "0.5")); }), file_ + ": seeds[1]: the seed 1 occurs twice");
}

}  // namespace
}  // namespace attune::testing
