#include "kernels/cuda/simulated/tensor_core.h"

#include <algorithm>
#include <bit>
#include <cmath>
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

// Instruction i of lane l.
const Mma& lane_of(void* const* payloads, int l, std::size_t i) {
  return (*static_cast<const std::span<const Mma>*>(payloads[l]))[i];
}

// The exponent of a finite number; a bit less than any such for 0, more than any two together for infinity and NaN.
int exponent_of(float x) {
  const auto biased = static_cast<int>(std::bit_cast<std::uint64_t>(static_cast<double>(x)) >> 52 & 0x7FF);
  return biased == 0x7FF ? 8192 : biased - 1023;
}
double power_of_two(int exponent) {
  return std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52);
}

// Elements of an operand: [rows, columns].
template <int Rows, int Columns>
struct Operand {
  float values[Rows][Columns];
  int exponents[Rows][Columns];

  void set(int row, int column, float x) {
    values[row][column] = x;
    exponents[row][column] = exponent_of(x);
  }
};

// The result of a tensor core for element m, n of c + A B, with elements k to k + Group of the depth: exact products and c
// are aligned to the largest exponent among them, cut off a little below float32's last bit, added, and the sum is cut off
// again: never rounded, unlike a chain of fused multiply-adds. How little differs between generations; one bit is a cautious
// choice. Fasi, Higham, Mikaitis, Pranesh: "Numerical behavior of NVIDIA tensor cores", PeerJ Computer Science 7:e330 (2021).
template <int Group, int K>
float multiply_add(float c, const Operand<kM, K>& a, const Operand<K, kN>& b, int m, int n, int k) {
  constexpr int kGuardBits = 1;
  constexpr int kMaxExponent = 120;  // of a sum that is certainly finite
  int top = exponent_of(c);
  for (int i = k; i < k + Group; ++i) top = std::max(top, a.exponents[m][i] + b.exponents[i][n]);
  if (top < -126 || top > kMaxExponent) {
    float rounded = c;
    for (int i = k; i < k + Group; ++i) rounded += a.values[m][i] * b.values[i][n];
    if (top < -126 || !std::isfinite(rounded)) return rounded;
  }
  const int unit = top - 23 - kGuardBits;
  const double scale = power_of_two(-unit);
  auto sum = static_cast<std::int64_t>(static_cast<double>(c) * scale);
  for (int i = k; i < k + Group; ++i)
    sum += static_cast<std::int64_t>(static_cast<double>(a.values[m][i]) * static_cast<double>(b.values[i][n]) * scale);
  constexpr std::uint64_t kBeyondFloat = (std::uint64_t{1} << 29) - 1;
  const auto bits = std::bit_cast<std::uint64_t>(static_cast<double>(sum) * power_of_two(unit));
  return static_cast<float>(std::bit_cast<double>(bits & ~kBeyondFloat));
}

// D += A B of instruction i on gathered operands, scattered back to the fragments; half of the depth is added at a time.
template <int K>
void multiply(void* const* payloads, std::size_t i, const Operand<kM, K>& a, const Operand<K, kN>& b) {
  float d[kM][kN];
  for (int l = 0; l < kWarpSize; ++l)
    for (int j = 0; j < 4; ++j) d[l / 4 + 8 * (j / 2)][2 * (l % 4) + j % 2] = lane_of(payloads, l, i).d[j];
  constexpr int kGroup = K / 2;
  for (int m = 0; m < kM; ++m)
    for (int n = 0; n < kN; ++n)
      for (int k = 0; k < K; k += kGroup) d[m][n] = multiply_add<kGroup>(d[m][n], a, b, m, n, k);
  for (int l = 0; l < kWarpSize; ++l)
    for (int j = 0; j < 4; ++j) lane_of(payloads, l, i).d[j] = d[l / 4 + 8 * (j / 2)][2 * (l % 4) + j % 2];
}

float half_of(std::uint32_t pair, int which) {
  return to_float(BFloat16{static_cast<std::uint16_t>(which == 0 ? pair : pair >> 16)});
}

struct Bf16 {
  static constexpr int kDepth = 16;

  static void gather_a(Operand<kM, kDepth>& a, const std::uint32_t* lane, int g, int t) {
    for (int j = 0; j < 2; ++j) {
      a.set(g, 2 * t + j, half_of(lane[0], j));
      a.set(g + 8, 2 * t + j, half_of(lane[1], j));
      a.set(g, 2 * t + 8 + j, half_of(lane[2], j));
      a.set(g + 8, 2 * t + 8 + j, half_of(lane[3], j));
    }
  }
  static void gather_b(Operand<kDepth, kN>& b, const std::uint32_t* lane, int g, int t) {
    for (int j = 0; j < 2; ++j) {
      b.set(2 * t + j, g, half_of(lane[0], j));
      b.set(2 * t + 8 + j, g, half_of(lane[1], j));
    }
  }
};

// The tensor core reads the upper 19 bits of a tf32 register.
float tf32_of(std::uint32_t bits) {
  return std::bit_cast<float>(bits & 0xFFFFE000u);
}

struct Tf32 {
  static constexpr int kDepth = 8;

  static void gather_a(Operand<kM, kDepth>& a, const std::uint32_t* lane, int g, int t) {
    a.set(g, t, tf32_of(lane[0]));
    a.set(g + 8, t, tf32_of(lane[1]));
    a.set(g, t + 4, tf32_of(lane[2]));
    a.set(g + 8, t + 4, tf32_of(lane[3]));
  }
  static void gather_b(Operand<kDepth, kN>& b, const std::uint32_t* lane, int g, int t) {
    b.set(t, g, tf32_of(lane[0]));
    b.set(t + 4, g, tf32_of(lane[1]));
  }
};

// The latest two operands that were gathered: instructions of one collective share some. All lanes are at one call, which hands in the same
// variables in each of them: where one lane shares an operand, all do.
template <class Operand>
class Gathered {
 public:
  // The operand whose first lane has its registers at `first`; gather(l) sets the elements of lane l.
  template <class Gather>
  const Operand& get(const std::uint32_t* first, Gather gather) {
    for (int i = 0; i < 2; ++i)
      if (first_[i] == first) return operands_[i];
    oldest_ = 1 - oldest_;
    first_[oldest_] = first;
    for (int l = 0; l < kWarpSize; ++l) gather(operands_[oldest_], l);
    return operands_[oldest_];
  }

 private:
  Operand operands_[2];
  const std::uint32_t* first_[2] = {};
  int oldest_ = 1;
};

template <class Type>
void complete_mma(void* const* payloads, unsigned) {
  Gathered<Operand<kM, Type::kDepth>> a;
  Gathered<Operand<Type::kDepth, kN>> b;
  const std::size_t count = static_cast<const std::span<const Mma>*>(payloads[0])->size();
  for (std::size_t i = 0; i < count; ++i) {
    const Mma& first = lane_of(payloads, 0, i);
    multiply(payloads, i,
             a.get(first.a, [&](auto& out, int l) { Type::gather_a(out, lane_of(payloads, l, i).a, l / 4, l % 4); }),
             b.get(first.b, [&](auto& out, int l) { Type::gather_b(out, lane_of(payloads, l, i).b, l / 4, l % 4); }));
  }
}

}  // namespace

void ldmatrix(std::uint32_t* registers, int tiles, bool transpose, const void* row, const SourceLocation& where) {
  BlockRunner& block = runner();
  if (block.self().lane() < 8 * tiles) block.shared().on_read(row, 16, block);
  LoadPayload payload{registers, static_cast<const std::uint16_t*>(row), tiles, transpose};
  block.collective("ldmatrix", kFullMask, &payload, complete_load, where);
}

void mma_bf16(std::span<const Mma> instructions, const SourceLocation& where) {
  for (std::size_t i = 0; i < instructions.size(); ++i) runner().count_product();
  runner().collective("mma.m16n8k16.bf16", kFullMask, &instructions, complete_mma<Bf16>, where);
}

void mma_tf32(std::span<const Mma> instructions, const SourceLocation& where) {
  for (std::size_t i = 0; i < instructions.size(); ++i) runner().count_product();
  runner().collective("mma.m16n8k8.tf32", kFullMask, &instructions, complete_mma<Tf32>, where);
}

}  // namespace attune::simulated
