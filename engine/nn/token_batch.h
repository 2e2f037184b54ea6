// The input of a model: the token ids of a batch and how they form sequences, on one device; and the state of one
// forward pass.
#pragma once

#include <cstdint>

#include "engine/autograd/variable.h"
#include "engine/ops/args.h"
#include "engine/ops/pool.h"
#include "engine/ops/scale.h"
#include "engine/ops/sequences.h"

namespace attune {

struct TokenBatch {
  Tensor ids;       // int32 [N]
  Tensor type_ids;  // int32 [N], or undefined: all 0
  Sequences sequences;
  Tensor lengths;  // int32 [B]: real tokens of each sequence, padding not counted
  /// int32 [K + 1]: the sequences text_offsets[k] .. text_offsets[k + 1) are the windows of one text; undefined: each
  /// sequence is a text. Models do not read it.
  Tensor text_offsets = {};

  /// Sequences with a result. `sequences` may end with one more, whose rows are only padding.
  std::int64_t count() const { return lengths.numel(); }
  /// The chosen rows of each sequence, for pool().
  ops::PooledSequences pooled(PooledRows rows) const { return {sequences.offsets, lengths, rows}; }
  /// int32 [B]: row keys of the chosen row of each sequence, for dropout on one row per sequence.
  Tensor row_keys(PooledRows rows) const { return ops::pooled_row_keys(sequences.row_keys, pooled(rows)); }
};

/// One forward pass. Dropout acts only in training and is a function of seed, step, site and element alone.
struct ForwardPass {
  bool training = false;
  std::uint64_t seed = 0;
  std::uint32_t step = 0;
  Tensor step_at = {};             // int32 [1] on the model's device, read instead of `step`; or undefined
  bool recompute = false;          // each block saves only its inputs, and backward computes it again
  Variable* embeddings = nullptr;  // if not null, gets the embeddings that the blocks read, as a leaf with a gradient:
  Tensor baseline = {};            // baseline + embeddings_share (x - baseline), with x those of the batch, all [N, C];
  double embeddings_share = 1;     // without a baseline x itself

  /// The embeddings x, after their norm if the family has one: a norm hides from its input's gradient what the input's
  /// length does.
  Variable embedded(const Variable& x) const {
    if (embeddings == nullptr) return x;
    const Tensor mixed = baseline.defined() ? baseline.clone() : x.value();
    if (baseline.defined()) {
      ops::scale({mixed, GradMode::kAccumulate}, baseline, -embeddings_share);
      ops::scale({mixed, GradMode::kAccumulate}, x.value(), embeddings_share);
    }
    return *embeddings = Variable(mixed, true);
  }

  DropoutSpec dropout(float p, std::uint32_t site, const Sequences& sequences) const {
    return dropout(p, site, sequences.row_keys);
  }
  DropoutSpec dropout(float p, std::uint32_t site, const Tensor& row_keys) const {
    return training ? DropoutSpec{p, seed, step, site, row_keys, step_at} : DropoutSpec{};
  }
};

/// Hands out dropout sites while a model is built, so that every site has its own random stream.
class DropoutSites {
 public:
  std::uint32_t take(std::int64_t sites = 1) {
    const std::uint32_t first = next_;
    next_ += static_cast<std::uint32_t>(sites);
    return first;
  }

 private:
  std::uint32_t next_ = 0;
};

}  // namespace attune
