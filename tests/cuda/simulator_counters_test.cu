// The simulator's counts: on kernels whose traffic is known, and on our own, whose banners claim whole vectors and no
// conflicts.
#include <gtest/gtest.h>

#include <vector>

#include "kernels/attention.h"
#include "kernels/cuda/context.h"
#include "kernels/cuda/platform.cuh"
#include "kernels/layernorm.h"
#include "tests/cuda/device_array.h"

namespace attune {
namespace {

using simulated::KernelCounts;
using testing::DeviceArray;

class Counting : public ::testing::Test {
 protected:
  void SetUp() override { simulated::set_counting(true); }
  void TearDown() override { simulated::set_counting(false); }
};

// Counts of what the body launches under one name.
template <class Body>
KernelCounts counts_of(const std::string& kernel, Body&& body) {
  const KernelCounts before = simulated::kernel_counts()[kernel];
  body();
  KernelCounts after = simulated::kernel_counts()[kernel];
  after.global_sectors -= before.global_sectors, after.global_bytes -= before.global_bytes,
      after.global_requests -= before.global_requests;
  after.shared_wavefronts -= before.shared_wavefronts, after.shared_ideal -= before.shared_ideal,
      after.products -= before.products;
  after.barriers -= before.barriers, after.blocks -= before.blocks;
  return after;
}

__global__ void strided_load_kernel(const float* x, float* out, int stride) {
  device::store_global(out + threadIdx.x, device::load_global(x + static_cast<int>(threadIdx.x) * stride));
}
__global__ void strided_shared_kernel(int stride) {
  float* s = reinterpret_cast<float*>(device::dynamic_shared());
  device::store_shared(s + static_cast<int>(threadIdx.x) * stride, 1.0f);
}

TEST_F(Counting, GlobalSectors) {
  DeviceArray<float> x(std::vector<float>(32 * 8, 1.0f)), out(32);
  const auto launch = [&](int stride) {
    return counts_of("strided_load", [&] {
      const cuda::Stream stream;
      cuda::launch("strided_load", strided_load_kernel, {1}, {32}, 0, stream, x.data(), out.data(), stride);
      stream.synchronize();
    });
  };
  EXPECT_EQ(launch(1).global_sectors, 4u + 4u);  // 128 bytes in, 128 bytes out
  EXPECT_EQ(launch(2).global_sectors, 8u + 4u);
  EXPECT_EQ(launch(8).global_sectors, 32u + 4u);  // a sector per lane
  EXPECT_EQ(launch(0).global_sectors, 1u + 4u);
  EXPECT_EQ(launch(1).global_bytes, 256u);
  EXPECT_EQ(launch(1).global_requests, 2u);
}

TEST_F(Counting, SharedWavefronts) {
  const auto launch = [&](int stride) {
    return counts_of("strided_shared", [&] {
      const cuda::Stream stream;
      cuda::launch("strided_shared", strided_shared_kernel, {1}, {32}, 32 * 33 * sizeof(float), stream, stride);
      stream.synchronize();
    });
  };
  EXPECT_EQ(launch(1).shared_wavefronts, 1u);
  EXPECT_EQ(launch(2).shared_wavefronts, 2u);
  EXPECT_EQ(launch(32).shared_wavefronts, 32u);  // all on one bank
  EXPECT_EQ(launch(33).shared_wavefronts, 1u);
  EXPECT_EQ(launch(32).shared_ideal, 1u);
}

TEST_F(Counting, LayerNormMovesWholeSectors) {
  constexpr std::int64_t kRows = 8, kChannels = 768;
  const kernels::CudaContext context;
  const DeviceArray<float> x(std::vector<float>(kRows * kChannels, 0.5f)), weight(std::vector<float>(kChannels, 1.0f)),
      y(kRows * kChannels);
  const KernelCounts c = counts_of("layernorm_forward", [&] {
    layernorm_forward(context, {.y = y.data(),
                                .sum = nullptr,
                                .mean = nullptr,
                                .rstd = nullptr,
                                .x = x.data(),
                                .residual = nullptr,
                                .weight = weight.data(),
                                .bias = nullptr,
                                .rows = kRows,
                                .channels = kChannels,
                                .eps = 1e-5,
                                .dropout = {},
                                .dtype = DType::kFloat32});
    context.stream().synchronize();
  });
  EXPECT_EQ(c.global_bytes, (2u * kRows + 1) * kChannels * 4);  // x, y, and weight once for the block
  EXPECT_EQ(c.global_sectors * 32, c.global_bytes);
  EXPECT_EQ(c.global_requests, c.global_bytes / 512);  // every one of 16 bytes a lane
  EXPECT_EQ(c.shared_wavefronts, c.shared_ideal);
}

TEST_F(Counting, AttentionHasNoBankConflictsButTwo) {
  constexpr std::int64_t kRows = 128;
  const kernels::CudaContext context;
  const DeviceArray<std::int32_t> offsets(std::vector<std::int32_t>{0, kRows});
  for (DType dtype : {DType::kFloat32, DType::kBFloat16})
    for (std::int64_t size : {32, 64, 128}) {
      const std::size_t bytes = static_cast<std::size_t>(kRows * size) * size_of(dtype);
      const DeviceArray<std::byte> q{std::vector<std::byte>(bytes)}, out(bytes);
      const kernels::AttentionLayout layout{.offsets = offsets.data(),
                                            .key_lengths = nullptr,
                                            .sequences = 1,
                                            .max_length = kRows,
                                            .rows = kRows,
                                            .heads = 1,
                                            .head_size = size,
                                            .causal = false,
                                            .window = -1,
                                            .scale = 0.125,
                                            .dropout = {}};
      const KernelCounts c = counts_of("attention_forward", [&] {
        attention_forward(context, {.out = out.data(),
                                    .lse = nullptr,
                                    .q = q.data(),
                                    .k = q.data(),
                                    .v = q.data(),
                                    .row_stride = size,
                                    .layout = layout,
                                    .dtype = dtype});
        context.stream().synchronize();
      });
      const std::uint64_t pairs = kRows * kRows, depth = dtype == DType::kBFloat16 ? 16 : 8,
                          split = dtype == DType::kBFloat16 ? 1 : 3;
      EXPECT_EQ(c.products, 2 * pairs * static_cast<std::uint64_t>(size) * split / (16 * 8 * depth)) << size;
      // The two known exceptions (device/tile.cuh): pairs of float32 results, and 64-byte rows moved two by two, those
      // of the tiles in and those of the result out.
      const std::uint64_t warps = kRows / 16, moved_rows = 2 * (64 + 2 * kRows) + kRows;
      const std::uint64_t result_pairs =
          dtype == DType::kFloat32 ? warps * static_cast<std::uint64_t>(size) / 8 * 2 * 2 : 0;
      const std::uint64_t short_rows = dtype == DType::kBFloat16 && size == 32 ? moved_rows / 2 : 0;
      EXPECT_EQ(c.shared_wavefronts, c.shared_ideal + result_pairs + short_rows) << dtype << " head size " << size;
      EXPECT_GE(c.global_efficiency(), 1) << dtype << " head size " << size;  // more than 1: lanes that share a scalar
      EXPECT_LT(c.global_efficiency(), 1.1) << dtype << " head size " << size;
    }
}

// Five products, not seven, and no bank conflict in the transposed tile of dS either.
TEST_F(Counting, AttentionBackwardOfShortSequencesHasNoneButOne) {
  constexpr std::int64_t kRows = 256, kSize = 64;
  const kernels::CudaContext context;
  const DeviceArray<std::int32_t> offsets(std::vector<std::int32_t>{0, kRows});
  constexpr std::size_t kBytes = kRows * kSize * 2;
  const DeviceArray<std::byte> q{std::vector<std::byte>(kBytes)}, dq(kBytes), dk(kBytes), dv(kBytes);
  const DeviceArray<std::byte> lse{std::vector<std::byte>(kRows * sizeof(float))};
  const KernelCounts c = counts_of("attention_backward", [&] {
    attention_backward(context, {.dq = dq.data(),
                                 .dk = dk.data(),
                                 .dv = dv.data(),
                                 .dout = q.data(),
                                 .out = q.data(),
                                 .lse = lse.data(),
                                 .q = q.data(),
                                 .k = q.data(),
                                 .v = q.data(),
                                 .row_stride = kSize,
                                 .layout = {.offsets = offsets.data(),
                                            .key_lengths = nullptr,
                                            .sequences = 1,
                                            .max_length = kRows,
                                            .rows = kRows,
                                            .heads = 1,
                                            .head_size = kSize,
                                            .causal = false,
                                            .window = -1,
                                            .scale = 0.125,
                                            .dropout = {}},
                                 .dtype = DType::kBFloat16});
    context.stream().synchronize();
  });
  EXPECT_EQ(c.products, 5u * kRows * kRows * kSize / (16 * 8 * 16));
  const std::uint64_t short_rows = 2 * kRows;  // two warps write half a row of dQ each: 64 bytes
  EXPECT_EQ(c.shared_wavefronts, c.shared_ideal + short_rows / 2);
}

}  // namespace
}  // namespace attune
