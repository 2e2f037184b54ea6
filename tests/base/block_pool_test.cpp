// Blocks never overlap, the same calls give the same addresses, what is freed is joined again.
#include "base/block_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>
#include <map>
#include <new>
#include <random>
#include <vector>

#include "tests/support/failing_allocation.h"
#include "tests/support/fake_memory.h"

namespace attune::testing {
namespace {

std::vector<std::uintptr_t> random_life(std::uint32_t seed) {
  FakeMemory memory(4096 * kMiB);
  BlockPool pool;
  std::mt19937 random(seed);
  std::map<std::byte*, std::size_t> live;
  std::vector<std::uintptr_t> addresses;
  for (int i = 0; i < 3000; ++i) {
    if (live.empty() || random() % 5 < 3) {
      const std::size_t bytes = random() % 3 == 0 ? random() % (80 * kMiB) : random() % 100000;
      auto* const block = static_cast<std::byte*>(pool.allocate(bytes, memory.source()));
      if (block == nullptr) continue;
      addresses.push_back(reinterpret_cast<std::uintptr_t>(block));
      EXPECT_GE(pool.size_of(block), bytes);
      EXPECT_EQ(addresses.back() % BlockPool::kGranularity, 0U);
      const auto after = live.lower_bound(block);
      if (after != live.end()) {
        EXPECT_LE(block + bytes, after->first);
      }
      if (after != live.begin()) {
        EXPECT_LE(std::prev(after)->first + std::prev(after)->second, block);
      }
      live[block] = bytes;
    } else {
      auto victim = live.begin();
      std::advance(victim, random() % live.size());
      pool.free(victim->first);
      live.erase(victim);
    }
  }
  for (const auto& [block, bytes] : live) pool.free(block);
  pool.release([&](void* segment) { memory.give(segment); });
  EXPECT_EQ(pool.reserved(), 0u);  // everything was joined to whole segments
  EXPECT_EQ(memory.free(), 4096 * kMiB);
  return addresses;
}

TEST(BlockPool, BlocksOfARandomLife) {
  for (std::uint32_t seed = 1; seed <= 5; ++seed) EXPECT_EQ(random_life(seed), random_life(seed));
}

// What a batch has had serves one of other lengths: the pool is hardly larger than what was in use at one time.
TEST(BlockPool, BatchesOfOtherLengthsLieInTheSameSegments) {
  FakeMemory memory(4096 * kMiB);
  BlockPool pool;
  std::mt19937 random(1);
  std::size_t most = 0;
  for (int batch = 0; batch < 200; ++batch) {
    const std::size_t rows = 1000 + random() % 1000;
    std::vector<void*> blocks;
    std::size_t all = 0;
    for (int layer = 0; layer < 12; ++layer)
      for (const std::size_t width : {384, 1152, 1536, 1536}) {
        blocks.push_back(pool.allocate(rows * width * 4, memory.source()));
        all += pool.size_of(blocks.back());
      }
    most = std::max(most, all);
    for (void* block : blocks) pool.free(block);
  }
  EXPECT_LE(pool.reserved(), most * 3 / 2);
}

TEST(BlockPool, WithoutMemoryToRememberABlockNoSegmentIsLost) {
  FakeMemory memory(1024 * kMiB);
  BlockPool pool;
  std::vector<void*> blocks;
  const std::vector<std::size_t> sizes = {3 * kMiB, 70 * kMiB, 1, 64 * kMiB};
  for (const std::size_t bytes : sizes) {
    void* block = nullptr;
    int failures = 0;
    for (bool done = false; !done; ++failures) {
      fail_allocation(failures);
      try {
        block = pool.allocate(bytes, memory.source());
        done = true;
      } catch (const std::bad_alloc&) {
        EXPECT_EQ(memory.free() + pool.reserved(), 1024 * kMiB);
      }
      fail_allocation(-1);
    }
    blocks.push_back(block);
    EXPECT_GT(failures, 1);
  }
  for (std::size_t i = 0; i < sizes.size(); ++i) EXPECT_GE(pool.size_of(blocks[i]), sizes[i]);
  fail_allocation(0);
  for (void* block : blocks) pool.free(block);
  fail_allocation(-1);
  pool.release([&](void* segment) { memory.give(segment); });
  EXPECT_EQ(memory.free(), 1024 * kMiB);
}

TEST(BlockPool, TooLargeForAnyMemory) {
  BlockPool pool;
  FakeMemory memory(kMiB);
  EXPECT_EQ(pool.allocate(std::numeric_limits<std::size_t>::max(), memory.source()), nullptr);
}

TEST(BlockPool, AFreedBlockIsHandedOutAgain) {
  FakeMemory memory(1024 * kMiB);
  BlockPool pool;
  void* first = pool.allocate(10 * kMiB, memory.source());
  void* second = pool.allocate(10 * kMiB, memory.source());
  EXPECT_EQ(pool.free(first), 10 * kMiB);
  EXPECT_EQ(pool.allocate(10 * kMiB, memory.source()), first);
  EXPECT_TRUE(pool.owns(second));
  EXPECT_FALSE(pool.owns(static_cast<std::byte*>(second) + 512));
  EXPECT_EQ(pool.reserved(), 64 * kMiB);
}

TEST(BlockPool, TheSmallestHoleThatFits) {
  FakeMemory memory(1024 * kMiB);
  BlockPool pool;
  void* large = pool.allocate(20 * kMiB, memory.source());
  void* between = pool.allocate(kMiB, memory.source());
  void* small = pool.allocate(5 * kMiB, memory.source());
  void* rest = pool.allocate(38 * kMiB, memory.source());
  pool.free(large);
  pool.free(small);
  EXPECT_EQ(pool.allocate(4 * kMiB, memory.source()), small);
  EXPECT_NE(between, rest);
}

TEST(BlockPool, FullMemory) {
  FakeMemory memory(10 * kMiB);  // less than a usual segment
  BlockPool pool;
  void* most = pool.allocate(9 * kMiB, memory.source());
  EXPECT_NE(most, nullptr);
  EXPECT_EQ(pool.allocate(2 * kMiB, memory.source()), nullptr);
  pool.free(most);
  const auto make_room = [&] { pool.release([&](void* segment) { memory.give(segment); }); };
  EXPECT_EQ(pool.allocate(11 * kMiB, memory.source(), make_room), nullptr);
  EXPECT_EQ(memory.free(), 10 * kMiB);
  EXPECT_NE(pool.allocate(10 * kMiB, memory.source(), make_room), nullptr);
}

}  // namespace
}  // namespace attune::testing
