#include "base/parallel.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "base/check.h"

// Each pool that has no size yet asks once for the cores.
std::atomic<int> pools_begun{0};
extern "C" int __real_sched_getaffinity(pid_t process, std::size_t bytes, cpu_set_t* set);
extern "C" int __wrap_sched_getaffinity(pid_t process, std::size_t bytes, cpu_set_t* set) {
  ++pools_begun;
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // others come meanwhile
  return __real_sched_getaffinity(process, bytes, set);
}

namespace attune {
namespace {

// In a process of its own, in which no thread has asked for the pool before.
void begin_one_pool() {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([] { num_threads(); });
  for (std::thread& thread : threads) thread.join();
  _exit(pools_begun);
}

TEST(ParallelDeathTest, ThreadsThatComeFirstTogetherHaveOnePool) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(begin_one_pool(), ::testing::ExitedWithCode(1), "");
}

// In a process of its own, which has no room for the stack of another thread.
void start_one_thread() {
  std::ifstream statm("/proc/self/statm");
  rlim_t pages = 0;
  statm >> pages;
  const rlim_t room = pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + (rlim_t{1} << 20);
  const rlimit limit{room, room};
  setrlimit(RLIMIT_AS, &limit);
  set_num_threads(1);
  _exit(num_threads() == 1 ? 0 : 1);
}

TEST(ParallelDeathTest, SettingTheNumberStartsNoOtherThreads) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(start_one_thread(), ::testing::ExitedWithCode(0), "");
}

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

TEST(Parallel, RefusesZeroThreads) {
  EXPECT_THROW(set_num_threads(0), Error);
}

#ifndef ATTUNE_ADDRESS_SANITIZED  // it needs address space that the limit refuses
// In a process of its own: room for a few stacks, not for a thousand. The pool there was still works.
void start_too_many_threads() {
  set_num_threads(1);
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const rlim_t room = pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + (rlim_t{1} << 27);
  const rlimit limit{room, room};
  setrlimit(RLIMIT_AS, &limit);
  try {
    set_num_threads(1000);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
  std::atomic<int> sum{0};
  parallel_for(100, 1, [&](std::int64_t, std::int64_t) { ++sum; });
  _exit(num_threads() == 1 && sum == 100 ? 0 : 1);
}

TEST(ParallelDeathTest, ThreadsTheSystemRefusesAreAnError) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(start_too_many_threads(), ::testing::ExitedWithCode(0), "only [0-9]+ of 1000 threads could be started: ");
}
#endif

}  // namespace
}  // namespace attune
