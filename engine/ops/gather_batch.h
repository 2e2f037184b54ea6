// A batch of selected examples, built on their device (kernels/gather_batch.h: layouts, and the contents of every row).
#pragma once

#include "engine/ops/args.h"

namespace attune::ops {

/// The examples of a split, E of them with N tokens. Their labels, or those of M texts that they are windows of.
struct TokenStore {
  Tensor ids;       // int32 [N]
  Tensor starts;    // int64 [E + 1], rising from 0 to N
  Tensor type_ids;  // int32 [N], or undefined
  Tensor labels;    // [M] or [M, L] of 4-byte elements, or undefined
};

/// What a batch is made of, int32 each.
struct ChosenExamples {
  Tensor examples;  // [B] in [0, E)
  Tensor labelled;  // [K] rows of the labels, in [0, M); the same tensor if the labels are those of the examples
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
  Tensor labels;       // as the store's, with K rows; undefined if it has none
};

struct GatherLayout {
  std::int64_t padded_length = 0;  // rows of each sequence; 0: packed
  std::int64_t max_length = 0;     // longer examples are cut; 0: none
  std::int32_t pad_id = 0;
  std::int64_t first_key = 0;  // row keys of the first example, if the batch is a part of one
};

/// Fills `to` with the chosen examples. All tensors are on one device. Throws Error if a shape or dtype does not fit, and,
/// on the CPU only, if the examples do not fit their rows.
void gather_batch(const GatheredBatch& to, const TokenStore& from, const ChosenExamples& chosen,
                  const GatherLayout& layout);

}  // namespace attune::ops
