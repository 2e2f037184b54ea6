// Dropout: y[n, c] = f(n, c) x[n, c], where f(n, c) = 0 if the 16 bits of (n, c) are below t = round(2^16 p), else
// 1 / (1 - t / 2^16). The bits are the lower (c even) or upper half of word[floor(c / 2) % 4], and
// word = philox(seed, {step, site, key of row n, floor(c / 8)}).
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
  const PhiloxBits word = philox4x32(dropout.seed, {dropout.step, dropout.site, row_key, channel / 8});
  const std::uint32_t of_channel = word[channel / 2 % 4],
                      bits = channel % 2 == 0 ? of_channel % 65536 : of_channel / 65536;
  const double limit = std::round(0x1p16 * dropout.p);
  return static_cast<double>(bits) < limit ? 0 : 1 / (1 - limit / 0x1p16);
}

}  // namespace attune::testing::oracle
