// The ledger on kernels whose work is known, and the simulator's parts under it: pieces, single blocks, sparse memory.
#include "bench/ledger.h"

#include <gtest/gtest.h>

#include <numeric>

#include "kernels/cuda/context.h"
#include "kernels/cuda/matmul.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/simulated/memory.h"

namespace attune {
namespace {

constexpr unsigned kBlocks = 300;

// Block b reads b / 3 + 1 times 128 bytes and writes 128.
__global__ void growing_kernel(const float* x, float* y) {
  float sum = 0;
  for (unsigned i = 0; i <= blockIdx.x / 3; ++i) sum += device::load_global(x + 32 * i + threadIdx.x);
  device::store_global(y + 32 * blockIdx.x + threadIdx.x, sum);
}
__global__ void counting_kernel(int* total) {
  if (threadIdx.x == 0) atomicAdd(total, 1);
}
__global__ void mark_kernel(int* marks) {
  if (threadIdx.x == 0) device::store_global(marks + blockIdx.x, 1);
}

// Sums over all blocks of growing_kernel.
double bytes_read() {
  double out = 0;
  for (unsigned b = 0; b < kBlocks; ++b) out += 128.0 * (b / 3 + 1);
  return out;
}

// The ledger of one launch of growing_kernel.
LedgerNode growing(const Ledger::Options& options) {
  Ledger ledger(options);
  const cuda::Buffer x(128 * kBlocks), y(128 * kBlocks);
  const cuda::Stream stream;
  stream.begin_capture();
  cuda::launch("growing", growing_kernel, {kBlocks}, {32}, 0, stream, static_cast<const float*>(x.data()),
               static_cast<float*>(y.data()));
  const cuda::Graph graph = stream.end_capture();
  graph.launch(stream);
  stream.synchronize();
  EXPECT_EQ(ledger.nodes().size(), 1u);
  return ledger.nodes().at(0);
}

TEST(Ledger, ListsEveryNodeOfAGraphInItsOrder) {
  Ledger ledger({});
  const kernels::CudaContext context;
  const cuda::Stream& stream = context.stream();
  const cuda::Buffer a(4 * 8 * 16), b(4 * 16 * 32), c(4 * 8 * 32), total(4);
  cuda::launch("before", counting_kernel, {1}, {32}, 0, stream, static_cast<int*>(total.data()));
  stream.begin_capture();
  cuda::set_zero(total.data(), 4, stream);
  cuda::launch("count", counting_kernel, {5}, {64}, 0, stream, static_cast<int*>(total.data()));
  cuda::Event event;
  event.record(stream);
  cuda::matmul(context,
               {.c = c.data(), .a = a.data(), .b = b.data(), .m = 8, .n = 32, .k = 16, .dtype = DType::kFloat32});
  const cuda::Graph graph = stream.end_capture();
  graph.launch(stream);
  stream.synchronize();

  const auto& nodes = ledger.nodes();
  ASSERT_EQ(nodes.size(), 3u);  // what was launched before is none, and an event neither
  EXPECT_EQ(nodes[0].kernel, "copy");
  EXPECT_EQ(nodes[0].sectors_written, 4);
  EXPECT_EQ(nodes[1].kernel, "count");
  EXPECT_EQ(nodes[1].grid.x, 5u);
  EXPECT_EQ(nodes[1].block.x, 64u);
  EXPECT_EQ(nodes[1].sampled, 5u);
  EXPECT_EQ(nodes[1].sectors_read, 5 * 32);  // an atomic reads and writes
  EXPECT_EQ(nodes[1].sectors_written, 5 * 32);
  EXPECT_EQ(nodes[2].kernel, "product dX");
  EXPECT_EQ(nodes[2].work.operations, 2.0 * 8 * 32 * 16);
  EXPECT_EQ(nodes[2].sectors_read, 4.0 * (8 * 16 + 16 * 32));
  EXPECT_EQ(nodes[2].sectors_written, 4.0 * 8 * 32);

  int counted = 0;  // a small kernel runs as a whole
  cuda::copy_to_host(&counted, total.data(), 4, stream);
  stream.synchronize();
  EXPECT_EQ(counted, 5);
}

TEST(Ledger, ASampleStandsForAllBlocks) {
  const LedgerNode whole = growing({.whole = true});
  EXPECT_EQ(whole.sampled, kBlocks);
  EXPECT_EQ(whole.sectors_read, bytes_read());
  EXPECT_EQ(whole.sectors_written, 128.0 * kBlocks);

  const LedgerNode some = growing({});
  EXPECT_LT(some.sampled, kBlocks / 2);
  EXPECT_NEAR(some.sectors_read / bytes_read(), 1, 0.03);
  EXPECT_EQ(some.sectors_written, 128.0 * kBlocks);
  EXPECT_EQ(some.work.tensors.size(), 2u);

  const LedgerNode few = growing({.first_sample = 2, .error = 10});  // what the error is for
  EXPECT_EQ(few.sampled, 2u);
  EXPECT_GT(std::abs(few.sectors_read / bytes_read() - 1), 0.03);
}

TEST(Ledger, ATensorThatAllBlocksReadCountsOnce) {
  const LedgerNode node = growing({});
  double read = 0;
  for (const TensorUse& use : node.work.tensors) read += use.read;
  EXPECT_EQ(read, 128.0 * kBlocks);  // all of x, however often it was read
}

TEST(Blocks, OnlyThoseAskedForRun) {
  simulated::set_sparse_memory();
  const cuda::Buffer marks(4 * kBlocks);
  int* data = static_cast<int*>(marks.data());
  const std::vector<std::uint64_t> blocks = {0, 7, 299};
  const auto counts = simulated::run_blocks({"mark", {kBlocks}, {32}, 0}, blocks, [data] { mark_kernel(data); });
  ASSERT_EQ(counts.size(), 3u);
  for (const simulated::BlockCounts& count : counts) {
    ASSERT_EQ(count.memory.size(), 1u);
    EXPECT_EQ(count.memory.begin()->first, simulated::memory_block(marks.data()).number);
    EXPECT_EQ(count.memory.begin()->second.bytes, 4u * kBlocks);
    EXPECT_EQ(count.memory.begin()->second.written, 1u);
    EXPECT_EQ(count.memory.begin()->second.read, 0u);
  }
  EXPECT_EQ(std::accumulate(data, data + kBlocks, 0), 3);  // the rest is zero, as sparse memory begins
  EXPECT_EQ(data[0] + data[7] + data[299], 3);
  const std::vector<std::uint64_t> outside = {kBlocks};
  EXPECT_THROW(simulated::run_blocks({"mark", {kBlocks}, {32}, 0}, outside, [data] { mark_kernel(data); }), Error);
}

TEST(Memory, SparseBlocksTakeNoMemory) {
  simulated::set_sparse_memory();
  const cuda::Buffer large(std::size_t{3} << 30);
  EXPECT_EQ(static_cast<const char*>(large.data())[std::size_t{2} << 30], 0);
  const simulated::MemoryBlock block = simulated::memory_block(large.data());
  EXPECT_NE(block.number, 0u);
  EXPECT_EQ(block.bytes, std::size_t{3} << 30);
  EXPECT_EQ(simulated::memory_block(static_cast<const char*>(large.data()) + 5).number, block.number);
  EXPECT_EQ(simulated::memory_block(&large).number, 0u);
}

// Also on memory that was used, and nothing around it changes.
TEST(Memory, SparseBlocksBeginAsZeros) {
  simulated::set_sparse_memory();
  for (const std::size_t bytes : {std::size_t{1024}, std::size_t{40000}}) {
    auto* const segment = static_cast<std::byte*>(simulated::allocate_segment(1 << 16, 1 << 16));
    std::fill_n(segment, 1 << 16, std::byte{7});
    const std::uint64_t number = std::uint64_t{1} << 40;
    simulated::begin_block({.begin = segment + 512, .bytes = bytes, .place = bytes, .number = number});
    EXPECT_TRUE(std::all_of(segment, segment + 512, [](std::byte b) { return b == std::byte{7}; }));
    EXPECT_TRUE(std::all_of(segment + 512, segment + 512 + bytes, [](std::byte b) { return b == std::byte{0}; }));
    EXPECT_EQ(segment[512 + bytes], std::byte{7});
    simulated::free_segment(segment);
  }
}

}  // namespace
}  // namespace attune
