// Batches put together on the host from ids and lengths, as models read them: the layouts that an example store gathers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/nn/token_batch.h"
#include "kernels/dropout.h"

namespace attune::testing {

/// Sequences of the given lengths one after the other, without padding.
inline Sequences packed_sequences(std::span<const std::int32_t> lengths) {
  std::vector<std::int32_t> offsets{0}, positions, keys;
  Sequences out;
  for (std::size_t b = 0; b < lengths.size(); ++b) {
    for (std::int32_t t = 0; t < lengths[b]; ++t) {
      positions.push_back(t);
      keys.push_back(
          static_cast<std::int32_t>(kernels::row_key(static_cast<std::uint32_t>(b), static_cast<std::uint32_t>(t))));
    }
    offsets.push_back(static_cast<std::int32_t>(positions.size()));
    out.max_length = std::max<std::int64_t>(out.max_length, lengths[b]);
  }
  out.count = static_cast<std::int64_t>(lengths.size());
  out.rows = static_cast<std::int64_t>(positions.size());
  out.offsets = Tensor::from(offsets, {out.count + 1});
  out.positions = Tensor::from(positions, {out.rows});
  out.row_keys = Tensor::from(keys, {out.rows});
  return out;
}

/// Sequences one after the other without padding; ids.size() is the sum of the lengths.
inline TokenBatch packed_batch(std::span<const std::int32_t> ids, std::span<const std::int32_t> lengths) {
  TokenBatch out;
  out.sequences = packed_sequences(lengths);
  out.ids = Tensor::from(ids, {out.sequences.rows});
  out.lengths = Tensor::from(lengths, {out.sequences.count});
  return out;
}

/// As many rows of equal length as there are lengths, real tokens first; lengths[b] of them are real. With `mask`,
/// attention sees only those; a mask of ones is none.
inline TokenBatch padded_batch(std::span<const std::int32_t> ids, std::span<const std::int32_t> lengths, bool mask) {
  const auto length = static_cast<std::int32_t>(ids.size() / lengths.size());
  TokenBatch out = packed_batch(ids, std::vector<std::int32_t>(lengths.size(), length));
  out.lengths = Tensor::from(lengths, {out.sequences.count});
  if (mask && std::ranges::any_of(lengths, [length](std::int32_t real) { return real != length; }))
    out.sequences.key_lengths = out.lengths;
  return out;
}

/// The batch with all its tensors on a device.
inline TokenBatch on_device(TokenBatch batch, Device device) {
  Sequences& s = batch.sequences;
  for (Tensor* x : {&batch.ids, &batch.type_ids, &batch.lengths, &s.offsets, &s.key_lengths, &s.positions, &s.row_keys})
    if (x->defined()) *x = x->to(device);
  return batch;
}

}  // namespace attune::testing
