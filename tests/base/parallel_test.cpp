#include "base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <vector>

#include "base/check.h"

namespace attune {
namespace {

class ParallelTest : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    before_ = num_threads();
    set_num_threads(GetParam());
  }
  void TearDown() override { set_num_threads(before_); }
  int before_ = 1;
};

TEST_P(ParallelTest, EveryIndexOnce) {
  for (std::int64_t n : {0, 1, 2, 63, 64, 65, 1000, 12345}) {
    std::vector<std::atomic<int>> hits(static_cast<std::size_t>(n));
    parallel_for(n, 64, [&](std::int64_t begin, std::int64_t end) {
      ASSERT_LT(begin, end);
      for (std::int64_t i = begin; i < end; ++i) ++hits[static_cast<std::size_t>(i)];
    });
    for (auto& hit : hits) EXPECT_EQ(hit.load(), 1);
  }
}

TEST_P(ParallelTest, PiecesDoNotDependOnThreads) {
  std::mutex mutex;
  std::set<std::pair<std::int64_t, std::int64_t>> pieces;
  parallel_for(10, 4, [&](std::int64_t begin, std::int64_t end) {
    const std::scoped_lock lock(mutex);
    pieces.emplace(begin, end);
  });
  EXPECT_EQ(pieces, (std::set<std::pair<std::int64_t, std::int64_t>>{{0, 4}, {4, 8}, {8, 10}}));
}

TEST_P(ParallelTest, NestedLoopsRun) {
  std::atomic<int> sum{0};
  parallel_for(8, 1, [&](std::int64_t, std::int64_t) {
    parallel_for(8, 1, [&](std::int64_t begin, std::int64_t end) { sum += static_cast<int>(end - begin); });
  });
  EXPECT_EQ(sum.load(), 64);
}

TEST_P(ParallelTest, ExceptionReachesTheCallerAndThePoolLivesOn) {
  EXPECT_THROW(parallel_for(100, 1, [](std::int64_t begin, std::int64_t) { CHECK(begin != 37, "piece 37"); }), Error);
  std::atomic<int> sum{0};
  parallel_for(100, 1, [&](std::int64_t, std::int64_t) { ++sum; });
  EXPECT_EQ(sum.load(), 100);
}

TEST_P(ParallelTest, ManySmallLoops) {
  std::int64_t total = 0;
  for (int i = 0; i < 5000; ++i) {
    std::atomic<std::int64_t> sum{0};
    parallel_for(16, 4, [&](std::int64_t begin, std::int64_t end) { sum += end - begin; });
    total += sum.load();
  }
  EXPECT_EQ(total, 5000 * 16);
}

INSTANTIATE_TEST_SUITE_P(Threads, ParallelTest, ::testing::Values(1, 2, 3, 8));

TEST(Parallel, RefusesZeroThreads) { EXPECT_THROW(set_num_threads(0), Error); }

}  // namespace
}  // namespace attune
