// A batch of selected examples, built on their device (kernels/gather_batch.h: layouts, and the contents of every row).
#pragma once

#include "engine/ops/args.h"

namespace attune::ops {

/// The examples of a split, E of them with N tokens.
struct TokenStore {
  Tensor ids;       // int32 [N]
  Tensor starts;    // int64 [E + 1], rising from 0 to N
  Tensor type_ids;  // int32 [N], or undefined
  Tensor labels;    // [E] or [E, L] of 4-byte elements, or undefined
};

/// The tensors for a batch of B examples in R rows; S is B if rows are padded, else B + 1.
struct GatheredBatch {
  Tensor ids;          // int32 [R]
  Tensor type_ids;     // int32 [R]; undefined if the store has none
  Tensor positions;    // int32 [R]
  Tensor row_keys;     // int32 [R]
  Tensor offsets;      // int32 [S + 1]
  Tensor key_lengths;  // int32 [S]
  Tensor lengths;      // int32 [B]
  Tensor labels;       // as the store's, with B rows; undefined if it has none
};

struct GatherLayout {
  std::int64_t padded_length = 0;  // rows of each sequence; 0: packed
  std::int64_t max_length = 0;     // longer examples are cut; 0: none
  std::int32_t pad_id = 0;
};

/// Fills `to` with the examples whose numbers are in `chosen` [B], int32 in [0, E). All tensors are on one device.
/// Throws Error if a shape or dtype does not fit, and, on the CPU only, if the examples do not fit their rows.
void gather_batch(const GatheredBatch& to, const TokenStore& from, const Tensor& chosen, const GatherLayout& layout);

}  // namespace attune::ops
