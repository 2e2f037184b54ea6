// A batch of examples of a data set, all in the context's memory: it does not need the host, so that a captured step
// can be replayed with other examples.
//
// Example e has the tokens starts[e] .. starts[e + 1), cut to max_length. Two layouts:
//
//   padded   sequence b owns rows b * padded_length ..: its tokens, then padding.  S = B
//   packed   the sequences' tokens one after the other; an example without tokens becomes one padding token.  The rows after
//            the last one form a further sequence B, empty if there are none: padding that no query attends, so that
//            batches of different numbers of tokens can have the same number of rows.  S = B + 1
//
// Rows of the further sequence have position 0 (every model has one) and row key (first_key + B, place within it).
// Padding is of segment 0. Labels are rows of 4-byte words of any meaning. They are those of the examples, or of
// others: if examples are windows of longer texts, labels belong to the texts.
#pragma once

#include <cstdint>

#include "kernels/context.h"

namespace attune::kernels {

/// The examples of a split.
struct TokenStore {
  const std::int32_t* tokens;    // [starts[E]]
  const std::int64_t* starts;    // [E + 1] first token of each example
  const std::int32_t* type_ids;  // [starts[E]] segments, or null
  const std::uint32_t* labels;   // [M, L] words, or null
};

struct GatherBatch {
  std::int32_t* ids;          // [N]
  std::int32_t* type_ids;     // [N] segments; unused if the store has none
  std::int32_t* positions;    // [N] place within the sequence
  std::uint32_t* row_keys;    // [N] (first_key + index in the batch) << 16 | position (kernels/dropout.h)
  std::int32_t* offsets;      // [S + 1] first row of each sequence
  std::int32_t* key_lengths;  // [S] real tokens; 0 of the further sequence
  std::int32_t* lengths;      // [B] real tokens
  std::uint32_t* labels;      // [K, L]; unused if the store has none
  TokenStore store;
  const std::int32_t* examples;    // [B] rows of the store's starts
  const std::int32_t* labelled;    // [K] rows of the store's labels
  std::int64_t count;              // B; first_key + B is below 65,536
  std::int64_t label_count;        // K
  std::int64_t rows;               // N: B * padded_length, or at least the sum of the lengths
  std::int64_t label_words = 1;    // L
  std::int64_t padded_length = 0;  // rows of each sequence, which cut longer ones; 0: packed
  std::int64_t max_length = 0;     // longer examples are cut; 0: none
  std::int32_t pad_id;
  std::int64_t first_key = 0;  // of the first example, if the batch is a part of one

  /// S.
  constexpr std::int64_t sequences() const { return padded_length > 0 ? count : count + 1; }
  /// Words of all labels.
  constexpr std::int64_t all_label_words() const { return store.labels == nullptr ? 0 : label_count * label_words; }
  /// Tokens kept of an example of `tokens` tokens.
  constexpr std::int64_t kept(std::int64_t tokens) const {
    if (max_length > 0 && tokens > max_length) tokens = max_length;
    return padded_length > 0 && tokens > padded_length ? padded_length : tokens;
  }
  /// Rows of an example that keeps `kept` tokens.
  constexpr std::int64_t rows_of(std::int64_t kept) const {
    return padded_length > 0 ? padded_length : kept > 0 ? kept : 1;
  }
  /// Its number of real tokens for attention and pooling: an example that becomes one padding token has one.
  constexpr std::int64_t real(std::int64_t kept) const { return padded_length > 0 ? kept : rows_of(kept); }
};

/// Throws Error if a packed batch has more tokens than `rows`, which a device cannot see.
void gather_batch(const CpuContext&, const GatherBatch&);
void gather_batch(const CudaContext&, const GatherBatch&);

}  // namespace attune::kernels
