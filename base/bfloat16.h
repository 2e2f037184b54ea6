// The 16-bit brain float as a storage type: the upper half of a float32. Arithmetic is done in float.
#pragma once

#include <bit>
#include <cstdint>

#include "base/dtype.h"

namespace attune {

struct BFloat16 {
  std::uint16_t bits;
};

/// The same value as a float (exact).
constexpr float to_float(BFloat16 x) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(x.bits) << 16);
}

/// The nearest bfloat16, ties to even; NaN stays NaN.
constexpr BFloat16 to_bfloat16(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return {static_cast<std::uint16_t>(bits >> 16 | 0x40u)};
  return {static_cast<std::uint16_t>((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16)};
}

template <>
struct dtype_of<BFloat16> {
  static constexpr DType value = DType::kBFloat16;
};

}  // namespace attune
