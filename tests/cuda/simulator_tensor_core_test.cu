// The simulated tensor core: which element each lane holds, and how products are rounded and added.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/cuda/platform.cuh"
#include "tests/cuda/device_array.h"
#include "tests/cuda/run_kernel.h"

namespace attune {
namespace {

using testing::DeviceArray;
using testing::run;

// C[16, 8] = A[16, 16] B[16, 8], one warp; A and B row-major in shared memory, fragments by ldmatrix. The wrong one
// forgets that B is needed by column.
template <bool kTranspose>
__global__ void mma_kernel(const BFloat16* a, const BFloat16* b, float* c) {
  auto* sa = reinterpret_cast<BFloat16*>(device::dynamic_shared());
  BFloat16* sb = sa + 256;
  const unsigned lane = threadIdx.x;
  for (unsigned i = lane; i < 256; i += 32) device::store_shared(sa + i, device::load_global(a + i));
  for (unsigned i = lane; i < 128; i += 32) {  // B in rows of 16, so that an x4 load may fetch four tiles
    device::store_shared(sb + i / 8 * 16 + i % 8, device::load_global(b + i));
    device::store_shared(sb + i / 8 * 16 + 8 + i % 8, BFloat16{0});
  }
  __syncwarp();
  std::uint32_t fa[4], fb[4];
  const unsigned row = lane % 16, column = lane / 16 * 8;
  device::ldmatrix_x4(fa, sa + row * 16 + column);
  if (kTranspose)
    device::ldmatrix_x4_trans(fb, sb + row * 16 + column);
  else
    device::ldmatrix_x4(fb, sb + row * 16 + column);
  float d[4] = {};
  device::mma_bf16(d, fa, {fb[0], fb[1]});
  for (int i = 0; i < 4; ++i)
    device::store_global(c + (lane / 4 + 8 * static_cast<unsigned>(i / 2)) * 8 + 2 * (lane % 4) + i % 2, d[i]);
}

TEST(SimulatorTensorCore, AFragmentByRowsWhereColumnsAreNeeded) {
  std::vector<BFloat16> a(256), b(128);
  for (int i = 0; i < 256; ++i) a[static_cast<std::size_t>(i)] = to_bfloat16(static_cast<float>((i * 7) % 13 - 6));
  for (int i = 0; i < 128; ++i) b[static_cast<std::size_t>(i)] = to_bfloat16(static_cast<float>((i * 5) % 11 - 5));
  std::vector<float> expected(128, 0.0f);
  for (std::size_t m = 0; m < 16; ++m)
    for (std::size_t n = 0; n < 8; ++n)
      for (std::size_t k = 0; k < 16; ++k) expected[m * 8 + n] += to_float(a[m * 16 + k]) * to_float(b[k * 8 + n]);
  DeviceArray<BFloat16> da(a), db(b);
  DeviceArray<float> c(128);
  run(mma_kernel<true>, {1}, {32}, 1024, da.data(), db.data(), c.data());
  EXPECT_EQ(c.host(), expected);
  run(mma_kernel<false>, {1}, {32}, 1024, da.data(), db.data(), c.data());
  EXPECT_NE(c.host(), expected);
}

__global__ void mma_tf32_kernel(const float* a, const float* b, float* c) {
  const unsigned lane = threadIdx.x, g = lane / 4, t = lane % 4;
  const auto bits = [](const float* p) { return device::float_bits(device::load_global(p)); };
  float d[4] = {};
  device::mma_tf32(
      d, {bits(a + g * 8 + t), bits(a + (g + 8) * 8 + t), bits(a + g * 8 + t + 4), bits(a + (g + 8) * 8 + t + 4)},
      {bits(b + t * 8 + g), bits(b + (t + 4) * 8 + g)});
  for (int i = 0; i < 4; ++i)
    device::store_global(c + (g + 8 * static_cast<unsigned>(i / 2)) * 8 + 2 * t + i % 2, d[i]);
}

TEST(SimulatorTensorCore, RoundsToTf32) {
  std::vector<float> a(128), b(64), expected(128, 0.0f);
  for (int i = 0; i < 128; ++i) a[static_cast<std::size_t>(i)] = static_cast<float>((i * 7) % 13 - 6);
  for (int i = 0; i < 64; ++i)
    b[static_cast<std::size_t>(i)] = static_cast<float>((i * 5) % 11 - 5) + (i == 10 ? 0x1p-20f : 0);  // lost
  for (std::size_t m = 0; m < 16; ++m)
    for (std::size_t n = 0; n < 8; ++n)
      for (std::size_t k = 0; k < 8; ++k) expected[m * 8 + n] += a[m * 8 + k] * std::round(b[k * 8 + n]);
  DeviceArray<float> da(a), db(b), c(128);
  run(mma_tf32_kernel, {1}, {32}, 0, da.data(), db.data(), c.data());
  EXPECT_EQ(c.host(), expected);
}

// A tensor core cuts off what it adds: of 1 + 7 x 1.5 x 2^-24 three units of the last place are left, where rounding each
// sum to nearest makes seven and five would be right.
TEST(SimulatorTensorCore, CutsOffWhatItAdds) {
  std::vector<float> a(128, 0x1p-12f), b(64, 1.5f * 0x1p-12f);
  for (std::size_t m = 0; m < 16; ++m) a[m * 8] = 1;
  for (std::size_t n = 0; n < 8; ++n) b[n] = 1;
  DeviceArray<float> da(a), db(b), c(128);
  run(mma_tf32_kernel, {1}, {32}, 0, da.data(), db.data(), c.data());
  EXPECT_EQ(c.host(), std::vector<float>(128, 1 + 3 * 0x1p-23f));
}

// Of a lane's invented registers: a [2][4], b [2][2] and d [2][4], the same for every call.
struct Registers {
  std::uint32_t a[2][4], b[2][2];
  float d[2][4];

  __device__ explicit Registers(unsigned lane) {
    for (unsigned i = 0; i < 8; ++i)
      a[i / 4][i % 4] = device::float_bits(0.125f * static_cast<float>(lane * 7 + i * 5));
    for (unsigned i = 0; i < 4; ++i) b[i / 2][i % 2] = device::float_bits(1.5f - static_cast<float>(lane * 3 + i * 11));
    for (unsigned i = 0; i < 8; ++i) d[i / 4][i % 4] = static_cast<float>(lane + i);
  }
};

// Instructions of one collective, d[0] and d[1] of a lane in `together`; alone, in `apart`.
template <bool kSplit>
__global__ void instructions_kernel(float* together, float* apart) {
  const unsigned lane = threadIdx.x;
  Registers x(lane), y(lane);
  if constexpr (kSplit) {
    device::mma_tf32_split(x.d[0], x.a[0], x.a[1], x.b[0], x.b[1]);
    device::mma_tf32(y.d[0], y.a[1], y.b[0]);
    device::mma_tf32(y.d[0], y.a[0], y.b[1]);
    device::mma_tf32(y.d[0], y.a[0], y.b[0]);
  } else {
    device::mma_bf16_pair(x.d[0], x.d[1], x.a[0], x.b[0], x.b[1]);
    device::mma_bf16(y.d[0], y.a[0], y.b[0]);
    device::mma_bf16(y.d[1], y.a[0], y.b[1]);
  }
  for (unsigned i = 0; i < 8; ++i) {
    device::store_global(together + 8 * lane + i, x.d[i / 4][i % 4]);
    device::store_global(apart + 8 * lane + i, y.d[i / 4][i % 4]);
  }
}

TEST(SimulatorTensorCore, InstructionsOfOneCollectiveAreThoseAlone) {
  DeviceArray<float> together(256), apart(256);
  run(instructions_kernel<false>, {1}, {32}, 0, together.data(), apart.data());
  EXPECT_EQ(together.host(), apart.host());
  EXPECT_NE(together.host()[0], 0);
  const std::vector<float> of_pairs = together.host();
  run(instructions_kernel<true>, {1}, {32}, 0, together.data(), apart.data());
  EXPECT_EQ(together.host(), apart.host());
  EXPECT_NE(together.host(), of_pairs);
}

}  // namespace
}  // namespace attune
