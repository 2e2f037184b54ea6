// Batches put together on the host, row by row: what batches gathered from a store are compared with.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/math.h"
#include "engine/data/dataset.h"

namespace attune::testing {

/// Some examples of a Dataset, ids still on the host.
struct Batch {
  std::vector<std::int32_t> ids;      // packed: one example after the other; padded: [B, padded_length]
  std::vector<std::int32_t> lengths;  // [B] real tokens
  std::vector<std::int32_t> labels;   // [B]; empty where unknown
  std::int64_t padded_length = 0;     // 0: packed
};

/// How examples become a batch.
struct Collator {
  std::int64_t max_length =
      0;                    // longer examples are cut; padded batches are filled up to it; 0: the longest of the batch
  std::int32_t pad_id = 0;  // fills padded rows
  bool packed = false;      // no padding rows

  /// The batch of dataset rows `rows`, in that order. An empty example becomes one padding token.
  Batch operator()(const Dataset& dataset, std::span<const std::int32_t> rows) const;
};

inline Batch Collator::operator()(const Dataset& dataset, std::span<const std::int32_t> rows) const {
  Batch batch;
  std::size_t longest = 1;
  for (std::int32_t row : rows) {
    const auto& ids = dataset.ids[static_cast<std::size_t>(row)];
    const std::size_t kept = max_length > 0 ? std::min(ids.size(), static_cast<std::size_t>(max_length)) : ids.size();
    longest = std::max(longest, kept);
    batch.lengths.push_back(narrow<std::int32_t>(static_cast<std::int64_t>(kept)));
    if (!dataset.labels.empty()) batch.labels.push_back(dataset.labels[static_cast<std::size_t>(row)]);
  }
  const std::size_t width = max_length > 0 ? static_cast<std::size_t>(max_length) : longest;
  if (!packed) batch.padded_length = static_cast<std::int64_t>(width);
  for (std::size_t b = 0; b < rows.size(); ++b) {
    const auto& ids = dataset.ids[static_cast<std::size_t>(rows[b])];
    const auto kept = static_cast<std::size_t>(batch.lengths[b]);
    batch.ids.insert(batch.ids.end(), ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(kept));
    if (packed && kept == 0) {
      batch.ids.push_back(pad_id);
      batch.lengths[b] = 1;
    }
    if (!packed) batch.ids.insert(batch.ids.end(), width - kept, pad_id);
  }
  return batch;
}

}  // namespace attune::testing
