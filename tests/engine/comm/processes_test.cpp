// What processes exchange. The program runs under mpirun with 1 to 4 processes (CMakeLists.txt), and alone.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <random>
#include <utility>
#include <vector>

#include "engine/comm/processes.h"
#include "engine/comm/shares.h"
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
  EXPECT_EQ(launched_local_rank(), joined_processes().rank()) << "all are on this machine";
}

// The variables of launchers that this process has, while it lives.
class Variables {
 public:
  Variables(std::initializer_list<std::pair<const char*, const char*>> values) : values_(values) {
    for (const auto& [name, value] : values_) setenv(name, value, 1);
  }
  ~Variables() {
    for (const auto& [name, value] : values_) unsetenv(name);
  }
  Variables(const Variables&) = delete;
  Variables& operator=(const Variables&) = delete;

  // World, rank and local rank.
  static std::vector<int> numbers() { return {launched_world(), launched_rank(), launched_local_rank()}; }

 private:
  std::vector<std::pair<const char*, const char*>> values_;
};

TEST(Launchers, NameWorldRankAndLocalRank) {
  if (joined_processes().world() > 1) GTEST_SKIP() << "threads of MPI may read the environment";
  EXPECT_EQ(Variables::numbers(), (std::vector<int>{1, 0, 0}));
  const char* const rows[][3] = {{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK"},
                                 {"MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_LOCAL_RANK"},
                                 {"PMI_SIZE", "PMI_RANK", "MPI_LOCALRANKID"},
                                 {"PMI_SIZE", "PMI_RANK", "PALS_LOCAL_RANKID"},
                                 {"PMI_SIZE", "PMI_RANK", "FLUX_TASK_LOCAL_ID"},
                                 {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_LOCALID"}};
  for (const auto& row : rows) {
    {
      const Variables several{{row[0], "4"}, {row[1], "3"}, {row[2], "1"}};
      EXPECT_EQ(Variables::numbers(), (std::vector<int>{4, 3, 1})) << row[2];
    }
    const Variables one{{row[0], "1"}, {row[1], "0"}, {row[2], "0"}};
    EXPECT_EQ(Variables::numbers(), (std::vector<int>{1, 0, 0})) << row[2];
  }
}

TEST(Launchers, AreNotMixed) {
  if (joined_processes().world() > 1) GTEST_SKIP() << "threads of MPI may read the environment";
  {
    const Variables no_local_rank{{"PMI_SIZE", "4"}, {"PMI_RANK", "3"}};
    EXPECT_EQ(Variables::numbers(), (std::vector<int>{4, 3, -1}));
    const Variables batch_script{{"SLURM_PROCID", "0"}, {"SLURM_LOCALID", "0"}};
    EXPECT_EQ(Variables::numbers(), (std::vector<int>{4, 3, -1}));
    const Variables once_on_each_machine{{"SLURM_STEP_NUM_TASKS", "2"}, {"SLURM_PROCID", "1"}};
    EXPECT_EQ(Variables::numbers(), (std::vector<int>{4, 3, -1}));
    const Variables own{{"MPI_LOCALRANKID", "2"}};
    EXPECT_EQ(Variables::numbers(), (std::vector<int>{4, 3, 2}));
  }
  const Variables by_srun{{"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_PROCID", "3"}, {"SLURM_LOCALID", "1"}};
  const Variables by_pmi{{"PMI_SIZE", "4"}, {"PMI_RANK", "3"}};
  EXPECT_EQ(Variables::numbers(), (std::vector<int>{4, 3, 1}));
  const Variables no_numbers{{"OMPI_COMM_WORLD_SIZE", "many"}, {"OMPI_COMM_WORLD_RANK", "-1"}};
  EXPECT_EQ(Variables::numbers(), (std::vector<int>{4, 3, 1}));
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

// As many values as fit into one exchange, and more.
TEST(Processes, SumsOfPartsAreThoseOfWholeSums) {
  Communicator& all = joined_processes();
  const auto world = static_cast<std::size_t>(all.world()), rank = static_cast<std::size_t>(all.rank());
  for (const std::size_t part : {1u, 2u, 1000u, 3000001u}) {
    std::vector<float> whole = values_of(all.rank(), world * part), mine = whole;
    all.wait(all.start_sum(whole, nullptr));
    all.wait(all.start_sum_of_parts(mine, nullptr));
    const auto own = [&](const std::vector<float>& values) {
      const std::span<const float> found = std::span(values).subspan(rank * part, part);
      return std::vector<float>(found.begin(), found.end());
    };
    EXPECT_EQ(own(mine), own(whole)) << part;
  }
}

TEST(Processes, ShareGivesThePartOfEveryRank) {
  Communicator& all = joined_processes();
  const auto world = static_cast<std::size_t>(all.world()), rank = static_cast<std::size_t>(all.rank());
  for (const std::size_t part : {1u, 3u, 5000u, 20000001u}) {
    const auto of_rank = [&](std::size_t r) { return static_cast<std::byte>('a' + r + part % 13); };
    std::vector<std::byte> bytes(world * part), expected;
    std::ranges::fill(std::span(bytes).subspan(rank * part, part), of_rank(rank));
    for (std::size_t r = 0; r < world; ++r) expected.insert(expected.end(), part, of_rank(r));
    all.wait(all.start_share(bytes, nullptr));
    EXPECT_TRUE(bytes == expected) << part;
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

// Any number of processes, as one of them sees it; it exchanges nothing.
class Imagined : public Communicator {
 public:
  Imagined(int rank, int world) : rank_(rank), world_(world) {}
  int rank() const override { return rank_; }
  int world() const override { return world_; }
  Ticket start_sum(std::span<float>, std::shared_ptr<const void>) override { return 0; }
  Ticket start_sum_of_parts(std::span<float>, std::shared_ptr<const void>) override { return 0; }
  Ticket start_share(std::span<std::byte>, std::shared_ptr<const void>) override { return 0; }
  void wait(Ticket) override {}
  std::vector<std::string> gather(std::string_view) override { return {}; }

 private:
  int rank_, world_;
};

TEST(Shares, CoverEveryArrayOnceInWholePiecesAndInEqualAmounts) {
  std::mt19937 random(5);
  for (int i = 0; i < 300; ++i) {
    const int world = 1 + static_cast<int>(random() % 9);
    const std::int64_t grain = 1 + static_cast<std::int64_t>(random() % 40);
    std::vector<std::int64_t> sizes(random() % 30);
    for (std::int64_t& size : sizes) size = static_cast<std::int64_t>(random() % (random() % 2 == 0 ? 10 : 3000));
    Imagined first(0, world), last(world - 1, world);
    const Shares shares(first, sizes, grain), of_last(last, sizes, grain);
    ASSERT_EQ(shares.arrays(), sizes.size());
    std::vector<std::int64_t> held(static_cast<std::size_t>(world));
    for (std::size_t array = 0; array < sizes.size(); ++array) {
      std::int64_t end = 0;
      for (int r = 0; r < world; ++r) {
        const Shares::Part part = shares.part(array, r);
        EXPECT_EQ(part.begin, end);
        EXPECT_TRUE(part.begin % grain == 0 || part.size() == 0);
        EXPECT_EQ(part, of_last.part(array, r));  // all processes agree
        held[static_cast<std::size_t>(r)] += part.size();
        end = part.end;
      }
      EXPECT_EQ(end, sizes[array]);
      EXPECT_EQ(of_last.own(array), shares.part(array, world - 1));
    }
    const auto [least, most] = std::ranges::minmax(held);
    EXPECT_LE(most - least, 2 * grain);
  }
}

}  // namespace
}  // namespace attune::testing
