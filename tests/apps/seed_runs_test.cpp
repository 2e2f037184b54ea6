// The list of --seeds, and the spread of values.
#include "apps/support/seed_runs.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

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

}  // namespace
}  // namespace attune::testing
