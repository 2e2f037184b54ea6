// The model of a GPU on nodes whose time is known, and its cache on a few tensors.
#include "bench/machine_model.h"

#include <gtest/gtest.h>

#include "base/check.h"

namespace attune {
namespace {

NodeWork product(std::int64_t m, std::int64_t n, std::int64_t k) {
  return {.operations = 2.0 * static_cast<double>(m * n * k), .m = m, .n = n, .k = k, .tensors = {}};
}

TEST(Cache, FetchesWhatIsNotThereAndWritesWhatMustGo) {
  L2Cache cache(100);
  EXPECT_EQ(cache.use({0, 40, 0}), 40);  // read
  EXPECT_EQ(cache.use({0, 40, 0}), 0);   // it is there
  EXPECT_EQ(cache.use({1, 0, 50}), 0);   // written, and stays
  EXPECT_EQ(cache.use({0, 40, 0}), 0);
  EXPECT_EQ(cache.use({2, 30, 0}), 30 + 20);  // the tensor used longest ago makes room: 20 of 50 bytes
  EXPECT_EQ(cache.use({1, 50, 0}), 20);       // of which 30 are left
}

TEST(Cache, WhatIsLargerStreamsThrough) {
  L2Cache cache(100);
  EXPECT_EQ(cache.use({0, 0, 60}), 0);
  EXPECT_EQ(cache.use({1, 500, 500}), 60 + 1000);
  EXPECT_EQ(cache.use({1, 500, 0}), 500);  // nothing of it stayed
  EXPECT_EQ(cache.use({0, 60, 0}), 60);
}

TEST(Cache, WhatIsForgottenIsNotWritten) {
  L2Cache cache(100);
  EXPECT_EQ(cache.use({0, 0, 80}), 0);
  cache.forget(0);
  EXPECT_EQ(cache.use({1, 100, 0}), 100);

  // A node writes a tensor and the next reads it, with or without another tensor in between that displaces it.
  const Machine& h100 = machine_of("h100");
  const double size = 0.6 * h100.cache_bytes;
  const NodeWork write{.tensors = {{0, 0, size}}}, read{.tensors = {{0, size, 0}}}, other{.tensors = {{1, size, 0}}};
  const auto bytes = [&](std::vector<NodeWork> nodes) {
    double out = 0;
    for (const NodeTime& time : predict(h100, nodes)) out += time.memory_bytes;
    return out;
  };
  EXPECT_EQ(bytes({write, read}), 0);
  EXPECT_NEAR(bytes({write, other, read}) / size, 1, 1e-9);
  EXPECT_NEAR(bytes({read, write}) / size, 0, 1e-9);  // it has its bytes from the step before
}

TEST(Machine, LargeProductsHaveTheRateThatWasMeasured) {
  for (const Machine& machine : machines()) {
    const std::vector<NodeWork> nodes = {product(8192, 8192, 8192)};
    const double rate = nodes[0].operations / predict(machine, nodes)[0].seconds();
    EXPECT_NEAR(rate / machine.product, 1, 0.05) << machine.name;
  }
}

TEST(Machine, WavesOfTilesAreWhole) {
  const Machine& h100 = machine_of("h100");
  const auto seconds = [&](std::int64_t m) {
    const std::vector<NodeWork> nodes = {product(m, 4096, 4096)};
    return predict(h100, nodes)[0];
  };
  const NodeTime full = seconds(2048), more = seconds(2049);
  EXPECT_GT(more.tensor, full.tensor);
  EXPECT_GT(more.tensor / full.tensor, 1.05);  // a row more is a row of tiles more
}

TEST(Machine, SmallNodesTakeALaunch) {
  const Machine& h100 = machine_of("h100");
  const std::vector<NodeWork> nodes = {{.blocks = 1, .threads = 32, .sectors = 64, .tensors = {{0, 64, 0}}}};
  const NodeTime time = predict(h100, nodes)[0];
  EXPECT_EQ(time.limit, "launch");
  EXPECT_NEAR(time.seconds(), h100.launch, 1e-8);
  EXPECT_EQ(time.memory_bytes, 0);  // the step before left it in the cache
}

TEST(Machine, OccupancyIsThatOfThreadsAndSharedMemory) {
  const Machine& h100 = machine_of("h100");
  const auto time = [&](unsigned threads, std::size_t shared, std::uint64_t blocks) {
    const std::vector<NodeWork> nodes = {
        {.blocks = blocks, .threads = threads, .shared_bytes = shared, .sectors = 1e6, .tensors = {}}};
    return predict(h100, nodes)[0];
  };
  EXPECT_EQ(time(256, 0, 1).resident_blocks, 8);
  EXPECT_EQ(time(32, 0, 1).resident_blocks, 32);
  EXPECT_EQ(time(256, 100 << 10, 1).resident_blocks, 2);
  EXPECT_EQ(time(1024, 0, 2 * 132).waves, 1);
  EXPECT_EQ(time(1024, 0, 2 * 132 + 1).waves, 2);
}

TEST(Machine, AStreamHasTheRateOfMemory) {
  const Machine& h200 = machine_of("h200");
  const std::vector<NodeWork> nodes = {
      {.blocks = 100000, .threads = 256, .sectors = 2e9, .tensors = {{0, 1e9, 0}, {1, 0, 1e9}}}};
  const NodeTime time = predict(h200, nodes)[0];
  EXPECT_EQ(time.limit, "memory");
  EXPECT_NEAR(time.seconds(), 2e9 / h200.memory + h200.launch, 1e-9);
}

TEST(Machine, UnknownNamesAreRefused) {
  EXPECT_THROW(machine_of("b200"), UsageError);
}

}  // namespace
}  // namespace attune
