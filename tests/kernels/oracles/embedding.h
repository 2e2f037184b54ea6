// The sum of one row of each table:  y[n] = sum over the tables of table[ids[n]].
// Backward, for each table:  dtable[ids[n]] += dy[n], except for the padding row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/kernels/oracles/numbers.h"

namespace attune::testing::oracle {

struct EmbeddingTable {
  const Numbers& table;                  // [rows, C]
  const std::vector<std::int32_t>& ids;  // [N] the row of each token
};

/// Returns y [N, C].
inline Numbers embedding(const std::vector<EmbeddingTable>& tables, std::size_t tokens, std::size_t channels) {
  Numbers y(tokens * channels, 0.0);
  for (const EmbeddingTable& of : tables)
    for (std::size_t n = 0; n < tokens; ++n)
      for (std::size_t c = 0; c < channels; ++c)
        y[n * channels + c] += of.table[static_cast<std::size_t>(of.ids[n]) * channels + c];
  return y;
}

/// Returns `dtable` [rows, C] with dy [N, C] added. `padding_id` is -1 where there is no padding row.
inline Numbers embedding_backward(Numbers dtable, const Numbers& dy, const std::vector<std::int32_t>& ids,
                                  std::size_t channels, std::int32_t padding_id) {
  for (std::size_t n = 0; n < ids.size(); ++n)
    for (std::size_t c = 0; c < channels; ++c)
      if (ids[n] != padding_id) dtable[static_cast<std::size_t>(ids[n]) * channels + c] += dy[n * channels + c];
  return dtable;
}

}  // namespace attune::testing::oracle
