// What processes exchange. The program runs under mpirun with 1 to 4 processes (CMakeLists.txt), and alone.

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "tests/support/processes.h"

namespace attune::testing {
namespace {

// The values that a rank contributes to a sum. Their sum depends on the order.
std::vector<float> values_of(int rank, std::size_t size) {
  std::mt19937 random(static_cast<unsigned>(rank) + 7);
  std::vector<float> out(size);
  for (float& value : out) value = static_cast<float>(random()) * (random() % 2 == 0 ? 1.0f : -1e-6f);
  return out;
}

TEST(Processes, AreAsManyAsWereLaunched) {
  const char* const expected = std::getenv("ATTUNE_TEST_WORLD");
  EXPECT_EQ(joined_processes().world(), expected == nullptr ? 1 : std::atoi(expected));
  EXPECT_LT(joined_processes().rank(), joined_processes().world());
}

TEST(Processes, SumsAddInTheOrderOfRanks) {
  Communicator& all = joined_processes();
  for (const std::size_t size : {1u, 2u, 3u, 1000u, 100003u, 9000001u}) {  // the last in several pieces
    std::vector<float> expected = values_of(0, size);
    for (int r = 1; r < all.world(); ++r) {
      const std::vector<float> next = values_of(r, size);
      for (std::size_t i = 0; i < size; ++i) expected[i] += next[i];
    }
    std::vector<float> mine = values_of(all.rank(), size);
    all.wait(all.start_sum(mine, nullptr));
    EXPECT_EQ(mine, expected) << size;
  }
}

TEST(Processes, SeveralSumsMayBeOutstanding) {
  Communicator& all = joined_processes();
  std::vector<std::vector<float>> mine;
  std::vector<Communicator::Ticket> tickets;
  for (std::size_t i = 0; i < 20; ++i) mine.emplace_back(1 + 997 * i, static_cast<float>(all.rank() + 1));
  for (auto& values : mine) tickets.push_back(all.start_sum(values, nullptr));
  const auto sum = static_cast<float>(all.world() * (all.world() + 1) / 2);
  for (std::size_t i = 0; i < mine.size(); ++i) {
    all.wait(tickets[i]);
    EXPECT_EQ(mine[i], std::vector<float>(1 + 997 * i, sum)) << i;
  }
}

TEST(Processes, GatherGivesTheBytesOfEveryRank) {
  Communicator& all = joined_processes();
  for (const std::size_t size : {0u, 1u, 5000u, (2u << 22) - 2}) {  // of rank 0; the others have more, and more pieces
    const auto of_rank = [&](int rank) {
      return std::string(size + static_cast<std::size_t>(rank) * 3, static_cast<char>('a' + rank));
    };
    std::vector<std::string> expected;
    for (int r = 0; r < all.world(); ++r) expected.push_back(of_rank(r));
    EXPECT_EQ(all.gather(of_rank(all.rank())), expected);
  }
}

TEST(Processes, AnyIsTrueIfOneRankSaysSo) {
  Communicator& all = joined_processes();
  EXPECT_FALSE(all.any(false));
  for (int r = 0; r < all.world(); ++r) EXPECT_TRUE(all.any(r == all.rank())) << r;
}

}  // namespace
}  // namespace attune::testing
