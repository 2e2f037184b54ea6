#include "engine/ops/sequences.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "base/math.h"
#include "kernels/dropout.h"

namespace attune {

Sequences Sequences::packed(std::span<const std::int32_t> lengths) {
  CHECK(!lengths.empty(), "a batch has at least one sequence");
  CHECK(lengths.size() <= 65536, "a batch has at most 65536 sequences, not ", lengths.size());
  std::vector<std::int32_t> offsets{0}, positions, keys;
  Sequences out;
  for (std::size_t b = 0; b < lengths.size(); ++b) {
    CHECK(lengths[b] >= 1 && lengths[b] <= 65536, "a sequence has 1 to 65536 tokens, not ", lengths[b]);
    for (std::int32_t t = 0; t < lengths[b]; ++t) {
      positions.push_back(t);
      keys.push_back(static_cast<std::int32_t>(row_key(static_cast<std::uint32_t>(b), static_cast<std::uint32_t>(t))));
    }
    offsets.push_back(narrow<std::int32_t>(static_cast<std::int64_t>(positions.size())));
    out.max_length = std::max<std::int64_t>(out.max_length, lengths[b]);
  }
  out.count = static_cast<std::int64_t>(lengths.size());
  out.rows = static_cast<std::int64_t>(positions.size());
  out.offsets = Tensor::from(offsets, {out.count + 1});
  out.positions = Tensor::from(positions, {out.rows});
  out.row_keys = Tensor::from(keys, {out.rows});
  return out;
}

Sequences Sequences::padded(std::int64_t count, std::int64_t length, std::span<const std::int32_t> key_lengths) {
  Sequences out = packed(std::vector<std::int32_t>(static_cast<std::size_t>(count), narrow<std::int32_t>(length)));
  if (!key_lengths.empty()) {
    CHECK(static_cast<std::int64_t>(key_lengths.size()) == count, key_lengths.size(), " mask lengths for ", count,
          " sequences");
    for (std::int32_t keys : key_lengths)
      CHECK(keys >= 0 && keys <= length, "a mask of ", keys, " tokens in a row of ", length);
    out.key_lengths = Tensor::from(key_lengths, {count});
  }
  return out;
}

Sequences Sequences::to(Device device) const {
  Sequences out = *this;
  out.offsets = offsets.to(device);
  if (key_lengths.defined()) out.key_lengths = key_lengths.to(device);
  out.positions = positions.to(device);
  out.row_keys = row_keys.to(device);
  return out;
}

}  // namespace attune
