// Layer normalisation of each row:
//
//   mean = (1 / C) sum_c x[c]        variance = (1 / C) sum_c (x[c] - mean)^2        rstd = 1 / sqrt(variance + eps)
//   y[c] = (x[c] - mean) rstd weight[c] + bias[c]
//
// Where a residual is added first, x is the sum (residual.h).
#pragma once

#include <cmath>
#include <cstddef>

#include "tests/kernels/oracles/numbers.h"

namespace attune::testing::oracle {

struct LayerNorm {
  Numbers y, mean, rstd;  // [N, C], [N], [N]
};

/// x [N, C], weight [C], bias [C].
inline LayerNorm layernorm(const Numbers& x, const Numbers& weight, const Numbers& bias, double eps) {
  const std::size_t channels = weight.size();
  const auto count = static_cast<double>(channels);
  LayerNorm out;
  for (std::size_t row = 0; row < x.size(); row += channels) {
    double mean = 0, variance = 0;
    for (std::size_t c = 0; c < channels; ++c) mean += x[row + c] / count;
    for (std::size_t c = 0; c < channels; ++c) variance += std::pow(x[row + c] - mean, 2) / count;
    const double deviation = std::sqrt(variance + eps);
    out.mean.push_back(mean);
    out.rstd.push_back(1 / deviation);
    for (std::size_t c = 0; c < channels; ++c) out.y.push_back((x[row + c] - mean) / deviation * weight[c] + bias[c]);
  }
  return out;
}

}  // namespace attune::testing::oracle
