// A batch of examples of a data set, put together on the host, one token after the other. The first max_length tokens of
// an example are kept. There are two layouts:
//
//   padded   every sequence has padded_length rows: its tokens, then padding
//   packed   the tokens of one sequence after those of the other; an example without tokens becomes one padding token
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/math.h"
#include "engine/data/batch_form.h"
#include "engine/data/dataset.h"
#include "tests/support/words_of.h"

namespace attune::testing::oracle {

/// Some examples of a Dataset, on the host.
struct Batch {
  std::vector<std::int32_t> ids;       // packed: one example after the other; padded: [B, padded_length]
  std::vector<std::int32_t> type_ids;  // as many; all 0 where the data set has none
  std::vector<std::int32_t> lengths;   // [B] real tokens
  std::vector<std::int32_t> labels;    // [B, L] words; empty where the data set has none
  std::int64_t padded_length = 0;      // 0: packed
};

/// The batch of dataset rows `rows`, in that order.
inline Batch gather_batch(const Dataset& dataset, const BatchForm& form, std::span<const std::int32_t> rows) {
  const std::vector<std::int32_t> ids = words_of(dataset.ids), type_ids = words_of(dataset.type_ids),
                                  labels = words_of(dataset.labels);
  const auto starts = dataset.starts.values<std::int64_t>();
  Batch batch;
  std::int64_t longest = 1;
  for (const std::int32_t row : rows) {
    const std::int64_t length = dataset.length(row);
    batch.lengths.push_back(narrow<std::int32_t>(form.max_length > 0 ? std::min(length, form.max_length) : length));
    longest = std::max<std::int64_t>(longest, batch.lengths.back());
    const std::size_t width = labels.size() / static_cast<std::size_t>(dataset.size());
    for (std::size_t i = 0; i < width; ++i) batch.labels.push_back(labels[static_cast<std::size_t>(row) * width + i]);
  }
  if (!form.packed) batch.padded_length = form.max_length > 0 ? form.max_length : longest;
  for (std::size_t b = 0; b < rows.size(); ++b) {
    const auto first = static_cast<std::size_t>(starts[static_cast<std::size_t>(rows[b])]);
    const auto kept = static_cast<std::size_t>(batch.lengths[b]);
    const std::size_t length =
        form.packed ? std::max<std::size_t>(kept, 1) : static_cast<std::size_t>(batch.padded_length);
    for (std::size_t t = 0; t < length; ++t) {
      batch.ids.push_back(t < kept ? ids[first + t] : form.pad_id);
      batch.type_ids.push_back(t < kept && !type_ids.empty() ? type_ids[first + t] : 0);
    }
    if (form.packed) batch.lengths[b] = static_cast<std::int32_t>(length);
  }
  return batch;
}

}  // namespace attune::testing::oracle
