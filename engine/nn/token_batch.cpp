#include "engine/nn/token_batch.h"

#include <algorithm>

#include "base/check.h"
#include "base/math.h"

namespace attune {

TokenBatch TokenBatch::padded(std::span<const std::int32_t> ids, std::span<const std::int32_t> lengths, bool mask) {
  const auto count = static_cast<std::int64_t>(lengths.size());
  CHECK(count > 0 && static_cast<std::int64_t>(ids.size()) % count == 0, ids.size(), " ids do not form ", count,
        " rows of equal length");
  const std::int64_t length = static_cast<std::int64_t>(ids.size()) / count;
  TokenBatch batch;
  batch.lengths.assign(lengths.begin(), lengths.end());
  // A mask of ones masks nothing.
  const bool needed = mask && std::ranges::any_of(lengths, [length](std::int32_t real) { return real != length; });
  batch.sequences = Sequences::padded(count, length, needed ? lengths : std::span<const std::int32_t>{});
  batch.ids = Tensor::from(ids, {static_cast<std::int64_t>(ids.size())});
  for (std::int64_t b = 0; b < count; ++b) batch.begins_.push_back(narrow<std::int32_t>(b * length));
  return batch;
}

TokenBatch TokenBatch::packed(std::span<const std::int32_t> ids, std::span<const std::int32_t> lengths) {
  TokenBatch batch;
  batch.lengths.assign(lengths.begin(), lengths.end());
  batch.sequences = Sequences::packed(lengths);
  CHECK(static_cast<std::int64_t>(ids.size()) == batch.sequences.rows, ids.size(), " ids for sequences of ",
        batch.sequences.rows, " tokens");
  batch.ids = Tensor::from(ids, {batch.sequences.rows});
  std::int32_t begin = 0;
  for (std::int32_t length : lengths) {
    batch.begins_.push_back(begin);
    begin += length;
  }
  return batch;
}

ops::RowRanges TokenBatch::ranges(std::vector<std::int32_t> begins, std::vector<std::int32_t> ends) const {
  const Shape shape{count()};
  return {Tensor::from(begins, shape).to(ids.device()), Tensor::from(ends, shape).to(ids.device())};
}

ops::RowRanges TokenBatch::first_rows() const {
  return rows_at(std::vector<std::int32_t>(static_cast<std::size_t>(count()), 0));
}

ops::RowRanges TokenBatch::rows_at(std::span<const std::int32_t> positions) const {
  CHECK(positions.size() == begins_.size(), positions.size(), " positions for ", begins_.size(), " sequences");
  std::vector<std::int32_t> begins, ends;
  for (std::size_t b = 0; b < begins_.size(); ++b) {
    begins.push_back(begins_[b] + positions[b]);
    ends.push_back(begins.back() + 1);
  }
  return ranges(std::move(begins), std::move(ends));
}

std::vector<std::int32_t> TokenBatch::row_counts() const {
  std::vector<std::int32_t> out;
  for (std::size_t b = 0; b < begins_.size(); ++b) {
    const std::int32_t next = b + 1 < begins_.size() ? begins_[b + 1] : narrow<std::int32_t>(sequences.rows);
    out.push_back(next - begins_[b]);
  }
  return out;
}

ops::RowRanges TokenBatch::all_rows(bool real_only) const {
  std::vector<std::int32_t> ends = real_only ? lengths : row_counts();
  for (std::size_t b = 0; b < begins_.size(); ++b) ends[b] += begins_[b];
  return ranges(begins_, std::move(ends));
}

Tensor TokenBatch::first_row_keys() const {
  std::vector<std::int32_t> keys;
  for (std::int64_t b = 0; b < count(); ++b)
    keys.push_back(static_cast<std::int32_t>(row_key(static_cast<std::uint32_t>(b), 0)));
  return Tensor::from(keys, {count()}).to(ids.device());
}

TokenBatch TokenBatch::to(Device device) const {
  TokenBatch out = *this;
  out.ids = ids.to(device);
  if (type_ids.defined()) out.type_ids = type_ids.to(device);
  out.sequences = sequences.to(device);
  return out;
}

}  // namespace attune
