// The block simulator: right kernels run, and each kind of wrong kernel is refused by name.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>
#include <vector>

#include "kernels/cuda/platform.cuh"
#include "tests/cuda/device_array.h"
#include "tests/cuda/run_kernel.h"

namespace attune {
namespace {

using simulated::Fault;
using simulated::SimulatorFault;
using testing::DeviceArray;
using testing::run;

constexpr unsigned kAll = 0xFFFFFFFFu;

// Runs one kernel and returns the fault it must raise.
template <class... P, class... A>
Fault fault_of(void (*kernel)(P...), cuda::Dim3 grid, cuda::Dim3 block, std::size_t shared, A&&... args) {
  const cuda::Stream stream;
  cuda::launch("wrong_kernel", kernel, grid, block, shared, stream, std::forward<A>(args)...);
  try {
    stream.synchronize();
  } catch (const SimulatorFault& fault) {
    EXPECT_NE(std::string(fault.what()).find(name_of(fault.fault())), std::string::npos) << fault.what();
    EXPECT_NE(std::string(fault.what()).find("wrong_kernel"), std::string::npos) << fault.what();
    return fault.fault();
  }
  throw std::runtime_error("the simulator let a wrong kernel pass");
}

float* shared_floats() {
  return reinterpret_cast<float*>(device::dynamic_shared());
}

// ---- kernels that are right

__global__ void index_kernel(int* out, int n) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) device::store_global(out + i, i);
}

TEST(Simulator, RunsEveryThreadOnce) {
  constexpr int kN = 1000;
  DeviceArray<int> out(kN);
  run(index_kernel, {8}, {128}, 0, out.data(), kN);
  std::vector<int> expected(kN);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(out.host(), expected);
}

template <bool kWithBarrier>
__global__ void reverse_kernel(float* x) {
  float* s = shared_floats();
  const unsigned i = threadIdx.x, n = blockDim.x;
  device::store_shared(s + i, 0.0f);
  __syncthreads();
  device::store_shared(s + i, device::load_global(x + i));
  if (kWithBarrier) __syncthreads();
  device::store_global(x + i, device::load_shared(s + n - 1 - i));
}

TEST(Simulator, BarrierOrdersSharedMemory) {
  DeviceArray<float> x(std::vector<float>{0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                          16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31});
  run(reverse_kernel<true>, {1}, {32}, 128, x.data());
  EXPECT_EQ(x.host().front(), 31.0f);
  EXPECT_EQ(x.host().back(), 0.0f);
}

__global__ void collectives_kernel(int* out) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  int sum = lane;
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(kAll, sum, step);
  const unsigned odd = __ballot_sync(kAll, lane % 2);
  int part = 0;
  if (lane < 8) part = __reduce_add_sync(0xFFu, lane);  // a divergent branch, with the mask that says so
  const int left = __shfl_up_sync(kAll, lane, 1);
  const int group = __shfl_sync(kAll, lane, 3, 8);  // lane 3 of each group of 8
  const bool right = sum == 496 && odd == 0xAAAAAAAAu && part == (lane < 8 ? 28 : 0) &&
                     left == (lane > 0 ? lane - 1 : 0) && group == (lane & ~7) + 3 && __any_sync(kAll, lane == 5) &&
                     !__all_sync(kAll, lane == 5) && __all_sync(kAll, lane < 32) && __reduce_max_sync(kAll, -lane) == 0;
  device::store_global(out + threadIdx.x, right ? 1 : 0);
}

TEST(Simulator, WarpCollectives) {
  DeviceArray<int> out(96);
  run(collectives_kernel, {1}, {96}, 0, out.data());
  EXPECT_EQ(out.host(), std::vector<int>(96, 1));
}

__global__ void atomics_kernel(int* count, float* sum) {
  if (threadIdx.x == 0) device::store_shared(&device::shared_variable<int>(), 0);
  __syncthreads();
  atomicAdd(&device::shared_variable<int>(), 1);
  __syncthreads();
  if (threadIdx.x == 0) atomicAdd(count, device::load_shared(&device::shared_variable<int>()));
  atomicAdd(sum, 1.0f);
}

TEST(Simulator, Atomics) {
  DeviceArray<int> count(std::vector<int>{0});
  DeviceArray<float> sum(std::vector<float>{0});
  run(atomics_kernel, {5}, {64}, 0, count.data(), sum.data());
  EXPECT_EQ(count.host()[0], 320);
  EXPECT_EQ(sum.host()[0], 320.0f);
}

// ---- kernels that are wrong, one per rule

TEST(SimulatorDetects, MissingBarrier) {
  DeviceArray<float> x(std::vector<float>(64, 1.0f));
  EXPECT_EQ(fault_of(reverse_kernel<false>, {1}, {64}, 256, x.data()), Fault::kRace);
}

__global__ void overwrite_kernel(float* out) {  // write after read: the second store does not wait for the loads
  float* s = shared_floats();
  const unsigned i = threadIdx.x;
  device::store_shared(s + i, 1.0f);
  __syncthreads();
  const float x = device::load_shared(s + (i + 1) % blockDim.x);
  device::store_shared(s + i, x);
  device::store_global(out + i, x);
}

TEST(SimulatorDetects, MissingBarrierBeforeOverwriting) {
  DeviceArray<float> out(64);
  EXPECT_EQ(fault_of(overwrite_kernel, {1}, {64}, 256, out.data()), Fault::kRace);
}

template <bool kSync>
__global__ void within_warp_kernel(float* out) {
  float* s = shared_floats();
  const unsigned i = threadIdx.x;
  device::store_shared(s + i, 0.0f);
  __syncthreads();
  device::store_shared(s + i, static_cast<float>(i));
  if (kSync) __syncwarp();
  device::store_global(out + i, device::load_shared(s + (i ^ 1u)));
}

TEST(SimulatorDetects, MissingSyncwarp) {
  DeviceArray<float> out(64);
  run(within_warp_kernel<true>, {1}, {64}, 256, out.data());
  EXPECT_EQ(out.host()[7], 6.0f);
  EXPECT_EQ(fault_of(within_warp_kernel<false>, {1}, {64}, 256, out.data()), Fault::kRace);
}

__global__ void divergent_shuffle_kernel(int* out) {
  int x = static_cast<int>(threadIdx.x);
  if (threadIdx.x < 16) x = __shfl_xor_sync(kAll, x, 1);
  device::store_global(out + threadIdx.x, x);
}
__global__ void two_places_kernel(int* out) {
  int x = static_cast<int>(threadIdx.x);
  if (threadIdx.x < 16)
    x = __shfl_xor_sync(kAll, x, 1);
  else
    x = __shfl_xor_sync(kAll, x, 2);
  device::store_global(out + threadIdx.x, x);
}
__global__ void shuffle_or_barrier_kernel() {
  if (threadIdx.x < 16)
    __syncwarp();
  else
    __syncthreads();
}

TEST(SimulatorDetects, DivergentShuffle) {
  DeviceArray<int> out(32);
  EXPECT_EQ(fault_of(divergent_shuffle_kernel, {1}, {32}, 0, out.data()), Fault::kEarlyExit);
  EXPECT_EQ(fault_of(two_places_kernel, {1}, {32}, 0, out.data()), Fault::kDivergentCollective);
  EXPECT_EQ(fault_of(shuffle_or_barrier_kernel, {1}, {32}, 0), Fault::kDivergentCollective);
}

__global__ void bad_mask_kernel() {
  __syncwarp(0xFFFF0000u);
}
__global__ void outside_mask_kernel() {
  if (threadIdx.x < 16) __shfl_xor_sync(0xFFFFu, 1, 16);
}

TEST(SimulatorDetects, BadMask) {
  EXPECT_EQ(fault_of(bad_mask_kernel, {1}, {32}, 0), Fault::kBadMask);
  EXPECT_EQ(fault_of(outside_mask_kernel, {1}, {32}, 0), Fault::kBadMask);
}

__global__ void early_exit_kernel(int n) {
  if (static_cast<int>(threadIdx.x) >= n) return;
  __syncthreads();
}
__global__ void two_barriers_kernel() {
  if (threadIdx.x < 32)
    __syncthreads();
  else
    __syncthreads();
}

TEST(SimulatorDetects, EarlyExit) {
  EXPECT_EQ(fault_of(early_exit_kernel, {1}, {64}, 0, 40), Fault::kEarlyExit);
}
TEST(SimulatorDetects, DivergentBarrier) {
  EXPECT_EQ(fault_of(two_barriers_kernel, {1}, {64}, 0), Fault::kDivergentBarrier);
}

__global__ void load_at_kernel(const float* x, int i) {
  device::load_global(x + i);
}
__global__ void store_at_kernel(float* x, int i) {
  device::store_global(x + i, 0.0f);
}
__global__ void shared_at_kernel(int i) {
  device::store_shared(shared_floats() + i, 0.0f);
}
struct alignas(16) Four {
  float v[4];
};
__global__ void misaligned_kernel(float* x) {
  device::load_global(reinterpret_cast<const Four*>(x + 1));
}

TEST(SimulatorDetects, OutOfBounds) {
  DeviceArray<float> x(10);
  EXPECT_EQ(fault_of(load_at_kernel, {1}, {32}, 0, x.data(), 10), Fault::kOutOfBounds);
  EXPECT_EQ(fault_of(load_at_kernel, {1}, {32}, 0, x.data(), -1), Fault::kOutOfBounds);
  EXPECT_EQ(fault_of(store_at_kernel, {1}, {32}, 0, x.data(), 10), Fault::kOutOfBounds);
  EXPECT_EQ(fault_of(shared_at_kernel, {1}, {32}, 16, 4), Fault::kOutOfBounds);
  float host = 0;
  EXPECT_EQ(fault_of(load_at_kernel, {1}, {32}, 0, &host, 0), Fault::kOutOfBounds);
}

TEST(SimulatorDetects, Misaligned) {
  DeviceArray<float> x(16);
  EXPECT_EQ(fault_of(misaligned_kernel, {1}, {1}, 0, x.data()), Fault::kMisaligned);
}

__global__ void unwritten_kernel(float* out, bool through_helper) {
  float* s = shared_floats();
  const float x = through_helper ? device::load_shared(s + threadIdx.x) : s[threadIdx.x];
  device::store_global(out + threadIdx.x, x);
}

TEST(SimulatorDetects, UninitialisedSharedMemory) {
  DeviceArray<float> out(32);
  EXPECT_EQ(fault_of(unwritten_kernel, {1}, {32}, 128, out.data(), true), Fault::kUninitialised);
  run(unwritten_kernel, {1}, {32}, 128, out.data(), false);  // past the helpers: NaN, even where the last block wrote
  for (float x : out.host()) EXPECT_TRUE(std::isnan(x));
}

__global__ void first_one_wins_kernel(int* out) {
  atomicCAS(out, -1, static_cast<int>(blockIdx.x * 64 + threadIdx.x));
}

TEST(SimulatorDetects, OrderDependence) {
  const std::uint64_t before = simulated::seed();
  std::set<int> winners, warps, blocks;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    simulated::set_seed(seed);
    DeviceArray<int> out(std::vector<int>{-1});
    run(first_one_wins_kernel, {4}, {64}, 0, out.data());
    winners.insert(out.host()[0]);
    blocks.insert(out.host()[0] / 64);
  }
  simulated::set_seed(before);
  EXPECT_GE(winners.size(), 4u);  // of 256 threads; the same seed gives the same winner
  EXPECT_GE(blocks.size(), 2u);
}

enum Missing { kNothing, kWaitCall, kBarrierCall };
template <Missing kMissing>
__global__ void async_kernel(const float* x, float* out) {
  float* s = shared_floats();
  const unsigned i = threadIdx.x;
  device::store_shared(s + i, 0.0f);
  __syncthreads();
  device::cp_async<4>(s + i, x + i);
  device::cp_async_commit();
  if (kMissing != kWaitCall) device::cp_async_wait<0>();
  if (kMissing != kBarrierCall) __syncthreads();
  device::store_global(out + i, device::load_shared(s + (i + 1) % blockDim.x));
}
__global__ void async_pipeline_kernel(const float* x, float* out) {  // two groups, each waited for in turn
  float* s = shared_floats();
  const unsigned i = threadIdx.x;
  device::cp_async<4>(s + i, x + i);
  device::cp_async_commit();
  device::cp_async<4>(s + 32 + i, x + i, false);
  device::cp_async_commit();
  device::cp_async_wait<1>();
  const float first = device::load_shared(s + i);
  device::cp_async_wait<0>();
  device::store_global(out + i, first + device::load_shared(s + 32 + i));
}

TEST(SimulatorDetects, AsyncCopyReadBeforeWait) {
  DeviceArray<float> x(std::vector<float>(64, 3.0f)), out(64);
  run(async_kernel<kNothing>, {1}, {64}, 256, x.data(), out.data());
  EXPECT_EQ(out.host(), std::vector<float>(64, 3.0f));
  run(async_pipeline_kernel, {1}, {32}, 256, x.data(), out.data());
  EXPECT_EQ(out.host()[31], 3.0f);
  EXPECT_EQ(fault_of(async_kernel<kWaitCall>, {1}, {64}, 256, x.data(), out.data()), Fault::kAsyncPending);
  EXPECT_EQ(fault_of(async_kernel<kBarrierCall>, {1}, {64}, 256, x.data(), out.data()), Fault::kRace);
}

TEST(SimulatorDetects, BadLaunch) {
  EXPECT_EQ(fault_of(early_exit_kernel, {1}, {1025}, 0, 2000), Fault::kBadLaunch);
  EXPECT_EQ(fault_of(early_exit_kernel, {1}, {32}, 200000, 2000), Fault::kBadLaunch);
  EXPECT_EQ(fault_of(early_exit_kernel, {1, 65536}, {32}, 0, 2000), Fault::kBadLaunch);
}

TEST(Simulator, GoesOnAfterAFault) {
  EXPECT_EQ(fault_of(early_exit_kernel, {3}, {64}, 0, 40), Fault::kEarlyExit);
  run(early_exit_kernel, {3}, {64}, 0, 64);
}

}  // namespace
}  // namespace attune
