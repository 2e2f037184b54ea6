// Rotary position embedding: in every head, the pair (x[d], x[d + D/2]) turns by the angle a of its row's position,
//
//   y[d] = x[d] cos a - x[d + D/2] sin a        y[d + D/2] = x[d + D/2] cos a + x[d] sin a
//
// with a = position / theta^(2 d / D). The reference library rounds to float32 each of theta^(2 d / D), 1 / that, and a.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/kernels/oracles/numbers.h"

namespace attune::testing::oracle {

/// The angle of pair d, as the reference library rounds it.
inline float rope_angle(std::int64_t position, std::int64_t d, std::int64_t head_size, double theta) {
  const double exponent = 2 * static_cast<double>(d) / static_cast<double>(head_size);
  const float frequency = 1.0F / static_cast<float>(std::pow(theta, exponent));
  return static_cast<float>(position) * frequency;
}

struct RopeShape {
  std::size_t heads, head_size, row_stride;  // channels after those of the heads are left as they are
};

/// x [N, row_stride]; the tables hold cos a and sin a, [positions, D / 2].
inline Numbers rope(const Numbers& x, const std::vector<float>& cosines, const std::vector<float>& sines,
                    const std::vector<std::int32_t>& positions, const RopeShape& shape) {
  const std::size_t half = shape.head_size / 2;
  Numbers y = x;
  for (std::size_t n = 0; n < positions.size(); ++n)
    for (std::size_t h = 0; h < shape.heads; ++h)
      for (std::size_t d = 0; d < half; ++d) {
        const std::size_t first = n * shape.row_stride + h * shape.head_size + d, second = first + half;
        const std::size_t angle = static_cast<std::size_t>(positions[n]) * half + d;
        const auto cosine = static_cast<double>(cosines[angle]), sine = static_cast<double>(sines[angle]);
        y[first] = x[first] * cosine - x[second] * sine;
        y[second] = x[second] * cosine + x[first] * sine;
      }
  return y;
}

}  // namespace attune::testing::oracle
