// Races between blocks of one launch in global memory: each kind is refused by name, and what is ordered or disjoint
// passes.
#include <gtest/gtest.h>

#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "base/bfloat16.h"
#include "kernels/cuda/platform.cuh"
#include "tests/cuda/device_array.h"
#include "tests/cuda/run_kernel.h"

namespace attune {
namespace {

using simulated::Fault;
using testing::DeviceArray;
using testing::run;

// The message of the race that the kernel must have, in every schedule.
template <class... P, class... A>
std::string race_of(void (*kernel)(P...), cuda::Dim3 grid, cuda::Dim3 block, A... args) {
  const std::uint64_t before = simulated::seed();
  std::string message;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    simulated::set_seed(seed);
    try {
      run(kernel, grid, block, 64, args...);
      ADD_FAILURE() << "the race passed with seed " << seed;
    } catch (const simulated::SimulatorFault& fault) {
      message = fault.what();
      EXPECT_EQ(fault.fault(), Fault::kBlockRace) << message;
      EXPECT_EQ(message.find("race between blocks: kernel kernel, block ("), 0u) << message;
    }
  }
  simulated::set_seed(before);
  return message;
}

// ---- what passes

__global__ void own_element_kernel(BFloat16* x) {
  BFloat16* own = x + blockIdx.x;
  device::store_global(own, device::load_global(own));
  device::store_global(own, BFloat16{static_cast<std::uint16_t>(blockIdx.x)});
}

TEST(SimulatorBlockOrder, BlocksMayWriteNextToEachOther) {
  DeviceArray<BFloat16> x(std::vector<BFloat16>(33));
  run(own_element_kernel, {33}, {1}, 0, x.data());
  EXPECT_EQ(x.host()[32].bits, 32);
}

__global__ void copy_neighbour_kernel(const int* from, int* to) {
  device::store_global(to + blockIdx.x, device::load_global(from + (blockIdx.x + 1) % gridDim.x));
}

TEST(SimulatorBlockOrder, LaunchesAreOrdered) {
  std::vector<int> values(40);
  std::iota(values.begin(), values.end(), 0);
  DeviceArray<int> x(values), y(40);
  run(copy_neighbour_kernel, {40}, {1}, 0, x.data(), y.data());
  run(copy_neighbour_kernel, {40}, {1}, 0, y.data(), x.data());
  EXPECT_EQ(x.host()[0], 2);
}

__global__ void count_kernel(int* count) {
  atomicAdd(count, 1);
}

TEST(SimulatorBlockOrder, AtomicsAreOrdered) {
  DeviceArray<int> count(std::vector<int>{0});
  run(count_kernel, {50}, {3}, 0, count.data());
  EXPECT_EQ(count.host()[0], 150);
}

enum class Ticket { kRight, kFencesOfAll, kNoFence, kFenceTooEarly, kWriteAfterwards };

// The last block adds what all have written, and sets the ticket back.
template <Ticket kTicket>
__global__ void sum_kernel(int* parts, int* ticket, int* sum) {
  int& drawn = device::shared_variable<int>();
  if (kTicket == Ticket::kFenceTooEarly) __threadfence();
  device::store_global(parts + blockIdx.x * blockDim.x + threadIdx.x, static_cast<int>(threadIdx.x));
  if (kTicket == Ticket::kFencesOfAll) __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) {
    if (kTicket == Ticket::kRight || kTicket == Ticket::kWriteAfterwards) __threadfence();
    device::store_shared(&drawn, atomicAdd(ticket, 1));
    if (kTicket == Ticket::kWriteAfterwards) device::store_global(parts + blockIdx.x * blockDim.x, 1);
  }
  __syncthreads();
  if (device::load_shared(&drawn) + 1 < static_cast<int>(gridDim.x) || threadIdx.x != 0) return;
  __threadfence();
  int total = 0;
  for (unsigned i = 0; i < gridDim.x * blockDim.x; ++i) total += device::load_global(parts + i);
  device::store_global(parts, total);
  device::store_global(sum, total);
  device::store_global(ticket, 0);
}

TEST(SimulatorBlockOrder, TheLastBlockByATicketSeesTheOthers) {
  constexpr int kBlocks = 40, kThreads = 8;
  DeviceArray<int> parts(kBlocks * kThreads), ticket(std::vector<int>{0}), sum(1);
  for (const auto kernel : {sum_kernel<Ticket::kRight>, sum_kernel<Ticket::kFencesOfAll>})
    for (int i = 0; i < 3; ++i) {
      run(kernel, {kBlocks}, {kThreads}, 0, parts.data(), ticket.data(), sum.data());
      EXPECT_EQ(sum.host()[0], kBlocks * kThreads * (kThreads - 1) / 2);
    }
}

// ---- what does not

template <Ticket kTicket>
void expect_wrong_ticket() {
  DeviceArray<int> parts(40 * 8), sum(1);
  const std::uint64_t before = simulated::seed();
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    simulated::set_seed(seed);
    DeviceArray<int> ticket(std::vector<int>{0});
    try {
      run(sum_kernel<kTicket>, {40}, {8}, 0, parts.data(), ticket.data(), sum.data());
      ADD_FAILURE() << "the race passed with seed " << seed;
    } catch (const simulated::SimulatorFault& fault) {
      EXPECT_EQ(fault.fault(), Fault::kBlockRace) << fault.what();
    }
  }
  simulated::set_seed(before);
}

TEST(SimulatorBlockOrderDetects, ATicketWithoutItsFence) {
  expect_wrong_ticket<Ticket::kNoFence>();
  expect_wrong_ticket<Ticket::kFenceTooEarly>();
  expect_wrong_ticket<Ticket::kWriteAfterwards>();
}

__global__ void same_element_kernel(int* x) {
  device::store_global(x + threadIdx.x, 7);
}
__global__ void in_place_kernel(int* x) {
  device::store_global(x + blockIdx.x, device::load_global(x + (blockIdx.x + 1) % gridDim.x));
}
__global__ void first_writes_all_read_kernel(int* x) {
  if (blockIdx.x == 0)
    device::store_global(x, 1);
  else
    device::load_global(x);
}
__global__ void async_reads_kernel(int* x) {
  if (blockIdx.x == 0)
    device::store_global(x, 1);
  else
    device::cp_async<4>(device::dynamic_shared(), x);
}
__global__ void count_and_read_kernel(int* count) {
  atomicAdd(count, 1);
  device::load_global(count);
}
__global__ void bytes_of_a_word_kernel(std::uint16_t* x) {  // the upper half of the first word
  device::store_global(x + 1, std::uint16_t{1});
}

TEST(SimulatorBlockOrderDetects, AccessesThatNothingOrders) {
  DeviceArray<int> x(std::vector<int>(64, 0));
  const std::string message = race_of(same_element_kernel, {2}, {4}, x.data());
  const bool first_is_named = message.find("block (0,0,0), thread") != std::string::npos;
  EXPECT_NE(message.find(first_is_named ? "where block (1,0,0) is, too" : "where block (0,0,0) is, too"),
            std::string::npos)
      << message;
  EXPECT_NE(message.find("a store of 4 bytes at 0x"), std::string::npos) << message;
  EXPECT_NE(message.find("of a block of 256"), std::string::npos) << message;
  race_of(in_place_kernel, {2}, {1}, x.data());
  race_of(in_place_kernel, {50}, {1}, x.data());
  race_of(first_writes_all_read_kernel, {5}, {1}, x.data());
  race_of(async_reads_kernel, {3}, {1}, x.data());
  race_of(count_and_read_kernel, {3}, {1}, x.data());
  race_of(bytes_of_a_word_kernel, {3}, {1}, reinterpret_cast<std::uint16_t*>(x.data()));
}

__global__ void nothing_kernel() {}

// More launches than have tags of their own: what one noted is not taken for that of a later one with its tag.
TEST(SimulatorBlockOrder, LaunchesWithTheSameTagAreOrdered) {
  DeviceArray<int> x(std::vector<int>(2, 5)), y(2);
  constexpr int kTags = 65535;
  const cuda::Stream stream;
  cuda::launch("copy", copy_neighbour_kernel, {2}, {1}, 0, stream, x.data(), y.data());
  for (int i = 0; i < kTags - 1; ++i) cuda::launch("nothing", nothing_kernel, {2}, {1}, 0, stream);
  cuda::launch("copy", copy_neighbour_kernel, {2}, {1}, 0, stream, y.data(), x.data());
  EXPECT_NO_THROW(stream.synchronize());
}

}  // namespace
}  // namespace attune
