// The arena of the simulated device: blocks are handed out again at once, as on a GPU, work finds those of its own time,
// and each way to rely on memory that is another's by then shows as a fault or as NaN.
#include <gtest/gtest.h>
#include <sanitizer/asan_interface.h>

#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/cuda/memory.h"
#include "kernels/cuda/platform.cuh"
#include "tests/cuda/device_array.h"

namespace attune {
namespace {

using simulated::Fault;
using testing::DeviceArray;

constexpr int kFloats = 128;  // of a block: its size is that of its place
constexpr std::size_t kBlockBytes = kFloats * sizeof(float);

__global__ void set_kernel(float* x, float value) {
  device::store_global(x + threadIdx.x, value);
}
// to = a from + b
__global__ void combine_kernel(float* to, const float* from, float a, float b) {
  device::store_global(to + threadIdx.x, a * device::load_global(from + threadIdx.x) + b);
}
__global__ void load_one_kernel(const float* x, int i) {
  device::load_global(x + i);
}

class SimulatorArena : public ::testing::Test {
 protected:
  float* allocate(std::size_t bytes = kBlockBytes) const {
    return static_cast<float*>(cuda::arena_allocate(bytes, stream));
  }
  void free(float* block) const { cuda::arena_free(block, stream); }
  void set(float* x, float value) const { cuda::launch("set", set_kernel, {1}, {kFloats}, 0, stream, x, value); }
  void combine(float* to, const float* from, float a, float b) const {
    cuda::launch("combine", combine_kernel, {1}, {kFloats}, 0, stream, to, from, a, b);
  }
  float first_of(const float* x) const {
    float out = 0;
    cuda::copy_to_host(&out, x, sizeof out, stream);
    stream.synchronize();
    return out;
  }
  // What the work of the stream is refused for.
  std::optional<Fault> fault() const {
    try {
      stream.synchronize();
    } catch (const simulated::SimulatorFault& found) {
      EXPECT_NE(std::string(found.what()).find(name_of(found.fault())), std::string::npos) << found.what();
      return found.fault();
    }
    return std::nullopt;
  }
  std::optional<Fault> fault_at(const float* x, int i) const {
    cuda::launch("load_one", load_one_kernel, {1}, {1}, 0, stream, x, i);
    return fault();
  }
  template <class Work>
  cuda::Graph captured(const Work& work) const {
    stream.begin_capture();
    work();
    return stream.end_capture();
  }

  const cuda::Stream stream;
};

TEST_F(SimulatorArena, AFreedBlockIsHandedOutAgainAtOnceAndWorkFindsItsOwn) {
  const cuda::ArenaUse before = cuda::arena_use();
  cuda::reset_arena_peak();
  float* x = allocate(4);
  EXPECT_EQ(cuda::arena_use().in_use, before.in_use + 512);
  const float one = 1, two = 2;
  float of_first = 0, fresh = 0, of_second = 0;
  cuda::copy_to_device(x, &one, sizeof one, stream);
  cuda::copy_to_host(&of_first, x, sizeof one, stream);
  free(x);
  EXPECT_EQ(cuda::arena_use().in_use, before.in_use);
  float* y = allocate(4);
  EXPECT_EQ(y, x);
  cuda::copy_to_host(&fresh, y, sizeof two, stream);
  cuda::copy_to_device(y, &two, sizeof two, stream);
  cuda::copy_to_host(&of_second, y, sizeof two, stream);
  free(y);
  stream.synchronize();
  EXPECT_EQ(of_first, 1.0f);
  EXPECT_TRUE(std::isnan(fresh));
  EXPECT_EQ(of_second, 2.0f);
  EXPECT_EQ(cuda::arena_use().peak, before.in_use + 512);
}

TEST_F(SimulatorArena, AnAccessMustLieInOneLiveBlock) {
  float* x = allocate();
  float* y = allocate();
  float* z = allocate(5 * sizeof(float));
  EXPECT_EQ(fault_at(x, kFloats - 1), std::nullopt);
  EXPECT_EQ(fault_at(x, kFloats), Fault::kOutOfBounds);  // though another block follows
  EXPECT_EQ(fault_at(y, -1), Fault::kOutOfBounds);
  EXPECT_EQ(fault_at(z, 5), Fault::kOutOfBounds);
#ifdef ATTUNE_ADDRESS_SANITIZED  // which sees accesses past the helpers
  EXPECT_EQ(__asan_region_is_poisoned(x, kBlockBytes), nullptr);
  EXPECT_TRUE(__asan_address_is_poisoned(x + kFloats));
  EXPECT_EQ(__asan_region_is_poisoned(z, 5 * sizeof(float)), nullptr);
  EXPECT_TRUE(__asan_address_is_poisoned(z + 5));
#endif
  free(y);
  EXPECT_EQ(fault_at(y, 0), Fault::kFreedMemory);
  set(x, 1);
  free(x);
  EXPECT_EQ(fault(), std::nullopt);  // the work came before
  cuda::set_zero(x, 4, stream);
  EXPECT_EQ(fault(), Fault::kFreedMemory);
  free(z);
}

TEST_F(SimulatorArena, CapturedMemoryIsReusedByCapturedWorkAlone) {
  float *inside = nullptr, *next = nullptr;
  const auto work = [&](float*& block) {
    block = allocate();
    set(block, 1);
    free(block);
  };
  std::optional<cuda::Graph> first = captured([&] {
    work(inside);
    work(next);
  });
  EXPECT_EQ(next, inside);
  float* ordinary = allocate();
  EXPECT_NE(ordinary, inside);
  std::optional<cuda::Graph> second = captured([&] { work(next); });
  EXPECT_EQ(next, inside);
  free(ordinary);
  cuda::arena_release();
  EXPECT_GT(cuda::arena_use().reserved, 0u);
  first->launch(stream);
  EXPECT_EQ(fault(), std::nullopt);
  first.reset();
  second.reset();
  cuda::arena_release();
  EXPECT_EQ(cuda::arena_use().reserved, 0u);
}

// Graphs with blocks of different sizes in the same memory, and work between them that is not captured.
TEST_F(SimulatorArena, GraphsInChangingOrderGiveTheBitsOfTheWorkItself) {
  const auto step = [&](float* x, float a, std::size_t other) {
    float* unused = allocate(other);
    float* y = allocate();
    combine(y, x, a, 1);
    free(unused);
    float* z = allocate();
    combine(z, y, a, 2);
    free(y);
    combine(x, z, 1, 0);
    free(z);
  };
  const auto run = [&](bool capture) {
    DeviceArray<float> x(std::vector<float>(kFloats, 0.25f));
    std::vector<std::pair<float, std::size_t>> shapes{{0.3f, 100}, {-0.7f, 3000}, {0.9f, 513}};
    std::vector<cuda::Graph> graphs;
    if (capture)
      for (const auto& shape : shapes) graphs.push_back(captured([&] { step(x.data(), shape.first, shape.second); }));
    for (const std::size_t i : {0, 1, 2, 2, 0, 1, 0, 2, 1, 1}) {
      if (capture)
        graphs[i].launch(stream);
      else
        step(x.data(), shapes[i].first, shapes[i].second);
      step(x.data(), 0.5f, 64 * (i + 1));
      if (i == 2) stream.synchronize();
    }
    EXPECT_EQ(fault(), std::nullopt);
    return x.host();
  };
  const std::vector<float> direct = run(false);
  EXPECT_TRUE(std::isfinite(direct[0]));
  EXPECT_EQ(run(true), direct);
}

TEST_F(SimulatorArena, WhatAGraphAllocatesAndFreesIsNanAtEveryReplay) {
  DeviceArray<float> sum(std::vector<float>(kFloats, 0.0f));
  float* inside = nullptr;
  const cuda::Graph relies = captured([&] {  // on what an earlier replay left
    inside = allocate();
    combine(sum.data(), inside, 1, 0);
    set(inside, 1);
    free(inside);
  });
  for (int i = 0; i < 2; ++i) {
    relies.launch(stream);
    EXPECT_TRUE(std::isnan(first_of(sum.data())));
    EXPECT_EQ(fault_at(inside, 0), Fault::kFreedMemory);
  }
}

TEST_F(SimulatorArena, TheResultOfAGraphStaysUntilAnotherGraphsMemoryIsThere) {
  DeviceArray<float> x(std::vector<float>(kFloats, 1.0f));
  const cuda::Graph earlier = captured([&] {
    float* inside = allocate();
    combine(inside, x.data(), 2, 0);
    combine(x.data(), inside, 1, 0);
    free(inside);
  });
  float* result = nullptr;
  const cuda::Graph graph = captured([&] {
    result = allocate();
    set(result, 5);
  });
  EXPECT_TRUE(std::isnan(first_of(result)));  // it may be used, and nothing has run
  graph.launch(stream);
  EXPECT_EQ(first_of(result), 5.0f);
  combine(x.data(), result, 1, 0);
  earlier.launch(stream);
  EXPECT_EQ(first_of(x.data()), 10.0f);
  EXPECT_EQ(fault_at(result, 0), Fault::kFreedMemory);
  graph.launch(stream);
  EXPECT_EQ(first_of(result), 5.0f);
  free(result);
  EXPECT_EQ(fault_at(result, 0), Fault::kFreedMemory);
  graph.launch(stream);  // it still writes there
  EXPECT_EQ(fault_at(result, 0), Fault::kFreedMemory);
}

TEST_F(SimulatorArena, AResultThatItsOwnGraphReadsAgainStays) {
  float* sum = nullptr;
  const cuda::Graph graph = captured([&] {
    sum = allocate();
    combine(sum, sum, 1, 1);
  });
  set(sum, 0);
  for (int i = 1; i <= 3; ++i) {
    graph.launch(stream);
    EXPECT_EQ(first_of(sum), static_cast<float>(i));
  }
  free(sum);
}

TEST_F(SimulatorArena, AGraphMayNotReadWhatWasFreedWhileItWasCaptured) {
  DeviceArray<float> sum(std::vector<float>(kFloats, 0.0f));
  float* before = allocate();
  set(before, 3);
  const cuda::Graph graph = captured([&] {
    combine(sum.data(), before, 1, 1);
    free(before);
  });
  EXPECT_EQ(fault(), std::nullopt);
  graph.launch(stream);
  EXPECT_EQ(fault(), Fault::kFreedMemory);
}

TEST_F(SimulatorArena, AnAbandonedCaptureLeavesNothing) {
  const cuda::ArenaUse before = cuda::arena_use();
  stream.begin_capture();
  float* inside = allocate();
  set(inside, 1);
  stream.abandon_capture();
  EXPECT_TRUE(std::isnan(first_of(inside)));
  free(inside);
  EXPECT_EQ(fault_at(inside, 0), Fault::kFreedMemory);
  EXPECT_EQ(cuda::arena_use().in_use, before.in_use);
  cuda::arena_release();
  EXPECT_EQ(cuda::arena_use().reserved, 0u);
}

}  // namespace
}  // namespace attune
