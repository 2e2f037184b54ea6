#include "kernels/cuda/simulated/tensor_core.h"

#include <bit>
#include <cstring>

#include "base/bfloat16.h"

namespace attune::simulated {
namespace {

constexpr unsigned kFullMask = 0xFFFFFFFFu;
constexpr int kM = 16, kN = 8;

struct LoadPayload {
  std::uint32_t* registers;
  const std::uint16_t* row;
  int tiles;
  bool transpose;
};

void complete_load(void* const* payloads, unsigned) {
  const auto lane = [&](int i) -> const LoadPayload& { return *static_cast<const LoadPayload*>(payloads[i]); };
  for (int l = 0; l < kWarpSize; ++l) {
    const int g = l / 4, t = l % 4;
    for (int tile = 0; tile < lane(l).tiles; ++tile) {
      const auto element = [&](int row, int column) -> std::uint32_t {
        std::uint16_t bits;
        std::memcpy(&bits, lane(8 * tile + row).row + column, sizeof bits);
        return bits;
      };
      lane(l).registers[tile] = lane(l).transpose ? element(2 * t, g) | element(2 * t + 1, g) << 16
                                                  : element(g, 2 * t) | element(g, 2 * t + 1) << 16;
    }
  }
}

struct MmaPayload {
  float* d;
  const std::uint32_t* a;
  const std::uint32_t* b;
};

const MmaPayload& lane_of(void* const* payloads, int i) { return *static_cast<const MmaPayload*>(payloads[i]); }

// D += A B on gathered operands, scattered back to the fragments.
template <int K>
void multiply(void* const* payloads, const float (&a)[kM][K], const float (&b)[K][kN]) {
  float d[kM][kN];
  for (int l = 0; l < kWarpSize; ++l)
    for (int i = 0; i < 4; ++i) d[l / 4 + 8 * (i / 2)][2 * (l % 4) + i % 2] = lane_of(payloads, l).d[i];
  for (int m = 0; m < kM; ++m)
    for (int k = 0; k < K; ++k)
      for (int n = 0; n < kN; ++n) d[m][n] += a[m][k] * b[k][n];
  for (int l = 0; l < kWarpSize; ++l)
    for (int i = 0; i < 4; ++i) lane_of(payloads, l).d[i] = d[l / 4 + 8 * (i / 2)][2 * (l % 4) + i % 2];
}

float half_of(std::uint32_t pair, int which) {
  return to_float(BFloat16{static_cast<std::uint16_t>(which == 0 ? pair : pair >> 16)});
}

void complete_bf16(void* const* payloads, unsigned) {
  float a[kM][16], b[16][kN];
  for (int l = 0; l < kWarpSize; ++l) {
    const MmaPayload& lane = lane_of(payloads, l);
    const int g = l / 4, t = l % 4;
    for (int j = 0; j < 2; ++j) {
      a[g][2 * t + j] = half_of(lane.a[0], j);
      a[g + 8][2 * t + j] = half_of(lane.a[1], j);
      a[g][2 * t + 8 + j] = half_of(lane.a[2], j);
      a[g + 8][2 * t + 8 + j] = half_of(lane.a[3], j);
      b[2 * t + j][g] = half_of(lane.b[0], j);
      b[2 * t + 8 + j][g] = half_of(lane.b[1], j);
    }
  }
  multiply(payloads, a, b);
}

// The tensor core reads the upper 19 bits of a tf32 register.
float tf32_of(std::uint32_t bits) { return std::bit_cast<float>(bits & 0xFFFFE000u); }

void complete_tf32(void* const* payloads, unsigned) {
  float a[kM][8], b[8][kN];
  for (int l = 0; l < kWarpSize; ++l) {
    const MmaPayload& lane = lane_of(payloads, l);
    const int g = l / 4, t = l % 4;
    a[g][t] = tf32_of(lane.a[0]);
    a[g + 8][t] = tf32_of(lane.a[1]);
    a[g][t + 4] = tf32_of(lane.a[2]);
    a[g + 8][t + 4] = tf32_of(lane.a[3]);
    b[t][g] = tf32_of(lane.b[0]);
    b[t + 4][g] = tf32_of(lane.b[1]);
  }
  multiply(payloads, a, b);
}

}  // namespace

void ldmatrix(std::uint32_t* registers, int tiles, bool transpose, const void* row, const SourceLocation& where) {
  BlockRunner& block = runner();
  if (block.self().lane() < 8 * tiles) block.shared().on_read(row, 16, block);
  LoadPayload payload{registers, static_cast<const std::uint16_t*>(row), tiles, transpose};
  block.collective("ldmatrix", kFullMask, &payload, complete_load, where);
}

void mma_bf16(float* d, const std::uint32_t* a, const std::uint32_t* b, const SourceLocation& where) {
  MmaPayload payload{d, a, b};
  runner().count_product();
  runner().collective("mma.m16n8k16.bf16", kFullMask, &payload, complete_bf16, where);
}

void mma_tf32(float* d, const std::uint32_t* a, const std::uint32_t* b, const SourceLocation& where) {
  MmaPayload payload{d, a, b};
  runner().count_product();
  runner().collective("mma.m16n8k8.tf32", kFullMask, &payload, complete_tf32, where);
}

}  // namespace attune::simulated
