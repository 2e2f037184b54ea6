// The arena's bookkeeping: blocks never overlap, the same calls give the same addresses, what is freed is joined again.
#include "kernels/cuda/block_pool.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <random>
#include <vector>

namespace attune::cuda {
namespace {

// Segments at made-up addresses that nobody touches.
class FakeDevice {
 public:
  explicit FakeDevice(std::size_t bytes) : free_(bytes) {}
  void* take(std::size_t bytes) {
    if (bytes > free_) return nullptr;
    free_ -= bytes;
    next_ += bytes + BlockPool::kGranularity;
    void* segment = reinterpret_cast<void*>(next_ - bytes);
    sizes_[segment] = bytes;
    return segment;
  }
  void give(void* segment) { free_ += sizes_.at(segment); }
  std::size_t free() const { return free_; }
  BlockPool::NewSegment source() {
    return [this](std::size_t bytes) { return take(bytes); };
  }

 private:
  std::size_t free_;
  std::uintptr_t next_ = std::size_t{1} << 30;
  std::map<void*, std::size_t> sizes_;
};

constexpr std::size_t kMiB = std::size_t{1} << 20;

std::vector<std::uintptr_t> random_life(std::uint32_t seed) {
  FakeDevice device(4096 * kMiB);
  BlockPool pool;
  std::mt19937 random(seed);
  std::map<std::uintptr_t, std::size_t> live;
  std::vector<std::uintptr_t> addresses;
  for (int i = 0; i < 3000; ++i) {
    if (live.empty() || random() % 5 < 3) {
      const std::size_t bytes = random() % 3 == 0 ? random() % (80 * kMiB) : random() % 100000;
      void* block = pool.allocate(bytes, device.source());
      if (block == nullptr) continue;
      const auto at = reinterpret_cast<std::uintptr_t>(block);
      EXPECT_GE(pool.size_of(block), bytes);
      EXPECT_EQ(at % BlockPool::kGranularity, 0u);
      const auto after = live.lower_bound(at);
      if (after != live.end()) {
        EXPECT_LE(at + bytes, after->first);
      }
      if (after != live.begin()) {
        EXPECT_LE(std::prev(after)->first + std::prev(after)->second, at);
      }
      live[at] = bytes;
      addresses.push_back(at);
    } else {
      auto victim = live.begin();
      std::advance(victim, random() % live.size());
      pool.free(reinterpret_cast<void*>(victim->first));
      live.erase(victim);
    }
  }
  for (const auto& [at, bytes] : live) pool.free(reinterpret_cast<void*>(at));
  pool.release([&](void* segment) { device.give(segment); });
  EXPECT_EQ(pool.reserved(), 0u);  // everything was joined to whole segments
  EXPECT_EQ(device.free(), 4096 * kMiB);
  return addresses;
}

TEST(BlockPool, BlocksOfARandomLife) {
  for (std::uint32_t seed = 1; seed <= 5; ++seed) EXPECT_EQ(random_life(seed), random_life(seed));
}

TEST(BlockPool, AFreedBlockIsHandedOutAgain) {
  FakeDevice device(1024 * kMiB);
  BlockPool pool;
  void* first = pool.allocate(10 * kMiB, device.source());
  void* second = pool.allocate(10 * kMiB, device.source());
  EXPECT_EQ(pool.free(first), 10 * kMiB);
  EXPECT_EQ(pool.allocate(10 * kMiB, device.source()), first);
  EXPECT_TRUE(pool.owns(second));
  EXPECT_FALSE(pool.owns(static_cast<std::byte*>(second) + 512));
  EXPECT_EQ(pool.reserved(), 64 * kMiB);
}

TEST(BlockPool, TheSmallestHoleThatFits) {
  FakeDevice device(1024 * kMiB);
  BlockPool pool;
  void* large = pool.allocate(20 * kMiB, device.source());
  void* between = pool.allocate(kMiB, device.source());
  void* small = pool.allocate(5 * kMiB, device.source());
  void* rest = pool.allocate(38 * kMiB, device.source());
  pool.free(large);
  pool.free(small);
  EXPECT_EQ(pool.allocate(4 * kMiB, device.source()), small);
  EXPECT_NE(between, rest);
}

TEST(BlockPool, AFullDevice) {
  FakeDevice device(10 * kMiB);  // less than a usual segment
  BlockPool pool;
  void* most = pool.allocate(9 * kMiB, device.source());
  EXPECT_NE(most, nullptr);
  EXPECT_EQ(pool.allocate(2 * kMiB, device.source()), nullptr);
  pool.free(most);
  pool.release([&](void* segment) { device.give(segment); });
  EXPECT_NE(pool.allocate(10 * kMiB, device.source()), nullptr);
}

// What a graph was recorded with is free to the pool, but not to the device.
TEST(ArenaPools, KeepsWhatGraphsUse) {
  FakeDevice device(1024 * kMiB);
  ArenaPools pools;
  const auto give = [&](void* segment) { device.give(segment); };
  const auto take = [&](std::size_t bytes, bool captured) {
    return pools.allocate(bytes, captured, device.source(), give);
  };
  pools.graph_begins();
  pools.free(take(400 * kMiB, true));
  pools.free(take(300 * kMiB, false));
  EXPECT_EQ(take(700 * kMiB, false), nullptr);  // the ordinary segment is given back, the captured one is not
  EXPECT_EQ(device.free(), 624 * kMiB);
  void* second = take(500 * kMiB, false);
  EXPECT_NE(second, nullptr);
  EXPECT_EQ(pools.in_use(), 500 * kMiB);
  EXPECT_EQ(pools.peak(), 500 * kMiB);
  pools.free(second);
  pools.graph_ends();
  EXPECT_NE(take(1000 * kMiB, false), nullptr);
}

}  // namespace
}  // namespace attune::cuda
