// The positions of RoBERTa: padding has the position padding_id; the k-th other token of a sequence has padding_id + k.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace attune::testing::oracle {

/// Sequence b owns the ids [offsets[b], offsets[b + 1]).
inline std::vector<std::int32_t> position_ids(const std::vector<std::int32_t>& ids,
                                              const std::vector<std::int32_t>& offsets, std::int32_t padding_id) {
  std::vector<std::int32_t> out;
  for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
    std::int32_t k = 0;
    for (auto n = static_cast<std::size_t>(offsets[b]); n < static_cast<std::size_t>(offsets[b + 1]); ++n)
      out.push_back(ids[n] == padding_id ? padding_id : padding_id + ++k);
  }
  return out;
}

}  // namespace attune::testing::oracle
