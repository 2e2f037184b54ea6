// Dropout: y[n, c] = f(n, c) x[n, c], where f(n, c) = 0 if word[c % 4] < floor(2^32 p), else 1 / (1 - p), and
// word = philox(seed, {step, site, key of row n, floor(c / 4)}).
#pragma once

#include <cmath>
#include <cstdint>

#include "base/philox.h"

namespace attune::testing::oracle {

/// The random numbers of one dropout in one step. Head h of attention has the site `site + h`.
struct Dropout {
  double p;
  std::uint64_t seed;
  std::uint32_t step, site;
};

/// f of one element: channel `channel` of the row that has this key.
inline double dropout_factor(const Dropout& dropout, std::uint32_t row_key, std::uint32_t channel) {
  const PhiloxBits word = philox4x32(dropout.seed, {dropout.step, dropout.site, row_key, channel / 4});
  return static_cast<double>(word[channel % 4]) < std::floor(0x1p32 * dropout.p) ? 0 : 1 / (1 - dropout.p);
}

}  // namespace attune::testing::oracle
