// The maximum of each channel over the rows of a sequence: y[b, c] = max over its rows n of x[n, c]; 0 without rows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/kernels/oracles/numbers.h"

namespace attune::testing::oracle {

/// x [N, C]. Sequence b owns the rows [offsets[b], offsets[b + 1]). Returns y [B, C].
inline Numbers max_pool(const Numbers& x, const std::vector<std::int32_t>& offsets, std::size_t channels) {
  Numbers y;
  for (std::size_t b = 0; b + 1 < offsets.size(); ++b)
    for (std::size_t c = 0; c < channels; ++c) {
      Numbers column;
      for (std::int32_t n = offsets[b]; n < offsets[b + 1]; ++n)
        column.push_back(x[static_cast<std::size_t>(n) * channels + c]);
      y.push_back(column.empty() ? 0 : *std::ranges::max_element(column));
    }
  return y;
}

}  // namespace attune::testing::oracle
