// Pooling: y[b] = mean of x[n] over the chosen rows n of sequence b; 0 where no row is chosen. Chosen are
//
//   first  the first row        last_real  the last row that is not padding; the last row where all are padding
//   last   the last row         all        all rows            real  the rows that are not padding
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/pool.h"
#include "tests/kernels/oracles/numbers.h"

namespace attune::testing::oracle {

/// Whether row `place` of a sequence is chosen. It has `length` rows; the first `real` of them are not padding.
inline bool pools(kernels::PooledRows chosen, std::int32_t place, std::int32_t length, std::int32_t real) {
  switch (chosen) {
    case kernels::PooledRows::kFirst:
      return place == 0;
    case kernels::PooledRows::kLast:
      return place == length - 1;
    case kernels::PooledRows::kLastReal:
      return place == (real > 0 ? real : length) - 1;
    case kernels::PooledRows::kAll:
      return true;
    case kernels::PooledRows::kReal:
      return place < real;
  }
  return false;
}

/// x [N, C]. Sequence b owns the rows [offsets[b], offsets[b + 1]), lengths[b] of them real. Returns y [B, C].
inline Numbers pool(const Numbers& x, const std::vector<std::int32_t>& offsets,
                    const std::vector<std::int32_t>& lengths, std::size_t channels, kernels::PooledRows chosen) {
  Numbers y;
  for (std::size_t b = 0; b < lengths.size(); ++b)
    for (std::size_t c = 0; c < channels; ++c) {
      double sum = 0, count = 0;
      for (std::int32_t n = offsets[b]; n < offsets[b + 1]; ++n)
        if (pools(chosen, n - offsets[b], offsets[b + 1] - offsets[b], lengths[b])) {
          sum += x[static_cast<std::size_t>(n) * channels + c];
          ++count;
        }
      y.push_back(count > 0 ? sum / count : 0);
    }
  return y;
}

}  // namespace attune::testing::oracle
