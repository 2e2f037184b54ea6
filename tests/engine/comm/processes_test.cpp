// What processes exchange. The program runs under mpirun with 1 to 4 processes (CMakeLists.txt), and alone.
#include "engine/comm/processes.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

namespace attune {
namespace {

// The processes of this run, joined for all tests.
std::unique_ptr<MpiProcesses> joined;
class Joined : public testing::Environment {
  void SetUp() override {
    if (launched_world() > 1) joined = join_processes(ATTUNE_MPI_MODULE, {});
  }
  void TearDown() override {
    if (joined) joined->leave();
  }
};
[[maybe_unused]] const testing::Environment* const environment = testing::AddGlobalTestEnvironment(new Joined);

Communicator& processes() {
  return joined ? *joined : single_process();
}

// The values that a rank contributes to a sum. Their sum depends on the order.
std::vector<float> values_of(int rank, std::size_t size) {
  std::mt19937 random(static_cast<unsigned>(rank) + 7);
  std::vector<float> out(size);
  for (float& value : out) value = static_cast<float>(random()) * (random() % 2 == 0 ? 1.0f : -1e-6f);
  return out;
}

TEST(Processes, AreAsManyAsWereLaunched) {
  const char* const expected = std::getenv("ATTUNE_TEST_WORLD");
  EXPECT_EQ(processes().world(), expected == nullptr ? 1 : std::atoi(expected));
  EXPECT_LT(processes().rank(), processes().world());
}

TEST(Processes, SumsAddInTheOrderOfRanks) {
  Communicator& all = processes();
  for (const std::size_t size : {1u, 2u, 3u, 1000u, 100003u}) {
    std::vector<float> expected = values_of(0, size);
    for (int r = 1; r < all.world(); ++r) {
      const std::vector<float> next = values_of(r, size);
      for (std::size_t i = 0; i < size; ++i) expected[i] += next[i];
    }
    std::vector<float> mine = values_of(all.rank(), size);
    all.wait(all.start_sum(mine));
    EXPECT_EQ(mine, expected) << size;
  }
}

TEST(Processes, SeveralSumsMayBeOutstanding) {
  Communicator& all = processes();
  std::vector<std::vector<float>> mine;
  std::vector<Communicator::Ticket> tickets;
  for (std::size_t i = 0; i < 20; ++i) mine.emplace_back(1 + 997 * i, static_cast<float>(all.rank() + 1));
  for (auto& values : mine) tickets.push_back(all.start_sum(values));
  const auto sum = static_cast<float>(all.world() * (all.world() + 1) / 2);
  for (std::size_t i = 0; i < mine.size(); ++i) {
    all.wait(tickets[i]);
    EXPECT_EQ(mine[i], std::vector<float>(1 + 997 * i, sum)) << i;
  }
}

TEST(Processes, GatherGivesTheBytesOfEveryRank) {
  Communicator& all = processes();
  for (const std::size_t size : {0u, 1u, 5000u}) {  // of rank 0; the others have more
    const auto of_rank = [&](int rank) {
      return std::string(size + static_cast<std::size_t>(rank) * 3, static_cast<char>('a' + rank));
    };
    std::vector<std::string> expected;
    for (int r = 0; r < all.world(); ++r) expected.push_back(of_rank(r));
    EXPECT_EQ(all.gather(of_rank(all.rank())), expected);
  }
}

TEST(Processes, AnyIsTrueIfOneRankSaysSo) {
  Communicator& all = processes();
  EXPECT_FALSE(all.any(false));
  for (int r = 0; r < all.world(); ++r) EXPECT_TRUE(all.any(r == all.rank())) << r;
}

}  // namespace
}  // namespace attune
