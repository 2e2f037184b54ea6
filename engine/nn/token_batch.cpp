#include "engine/nn/token_batch.h"

#include <algorithm>

#include "base/check.h"

namespace attune {

Tensor TokenBatch::first_row_keys_of(std::int64_t count) {
  std::vector<std::int32_t> keys;
  for (std::int64_t b = 0; b < count; ++b)
    keys.push_back(static_cast<std::int32_t>(row_key(static_cast<std::uint32_t>(b), 0)));
  return Tensor::from(keys, {count});
}

TokenBatch TokenBatch::padded(std::span<const std::int32_t> ids, std::span<const std::int32_t> lengths, bool mask) {
  const auto count = static_cast<std::int64_t>(lengths.size());
  CHECK(count > 0 && static_cast<std::int64_t>(ids.size()) % count == 0, ids.size(), " ids do not form ", count,
        " rows of equal length");
  const std::int64_t length = static_cast<std::int64_t>(ids.size()) / count;
  for (const std::int32_t real : lengths)
    CHECK(real >= 0 && real <= length, real, " real tokens in a row of ", length);
  TokenBatch batch;
  // A mask of ones masks nothing.
  const bool needed = mask && std::ranges::any_of(lengths, [length](std::int32_t real) { return real != length; });
  batch.sequences = Sequences::padded(count, length, needed ? lengths : std::span<const std::int32_t>{});
  batch.ids = Tensor::from(ids, {static_cast<std::int64_t>(ids.size())});
  batch.lengths = Tensor::from(lengths, {count});
  batch.first_row_keys = first_row_keys_of(count);
  return batch;
}

TokenBatch TokenBatch::packed(std::span<const std::int32_t> ids, std::span<const std::int32_t> lengths) {
  TokenBatch batch;
  batch.sequences = Sequences::packed(lengths);
  CHECK(static_cast<std::int64_t>(ids.size()) == batch.sequences.rows, ids.size(), " ids for sequences of ",
        batch.sequences.rows, " tokens");
  batch.ids = Tensor::from(ids, {batch.sequences.rows});
  batch.lengths = Tensor::from(lengths, {batch.sequences.count});
  batch.first_row_keys = first_row_keys_of(batch.sequences.count);
  return batch;
}

TokenBatch TokenBatch::to(Device device) const {
  TokenBatch out = *this;
  out.ids = ids.to(device);
  if (type_ids.defined()) out.type_ids = type_ids.to(device);
  out.sequences = sequences.to(device);
  out.lengths = lengths.to(device);
  out.first_row_keys = first_row_keys.to(device);
  return out;
}

}  // namespace attune
