// Which segments an arena gives back to the device.
#include "kernels/cuda/arena_pools.h"

#include <gtest/gtest.h>

#include "tests/support/fake_memory.h"

namespace attune::cuda {
namespace {

using testing::FakeMemory;
using testing::kMiB;

// What a graph was recorded with is free to the pool, but not to the device.
TEST(ArenaPools, KeepsWhatGraphsUse) {
  FakeMemory device(1024 * kMiB);
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
