// Tokenised examples with their labels on a device, and batches gathered from them there.
//
// The examples are sent once. A batch costs the host its choice of rows, a few numbers: ids, positions, offsets and the
// rest are made on the device (kernels/gather_batch.h). What the host must know beforehand is the batch's shape.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/nn/token_batch.h"

namespace attune {

/// How examples become a batch.
struct BatchForm {
  std::int64_t max_length =
      0;                    // longer examples are cut; padded batches are filled up to it; 0: the longest of the batch
  std::int32_t pad_id = 0;  // fills padded rows
  bool packed = false;      // no padding rows
  bool mask = false;        // attention does not see the padding of padded batches
  std::int64_t row_multiple =
      1;  // packed batches are filled up to a multiple of so many rows, so that few shapes occur
};

/// What a batch's tensors have for extents; equal ones are worked on by the same sequence of kernels.
struct BatchShape {
  std::int64_t count = 0;          // sequences
  std::int64_t rows = 0;           // of all of them, padding counted
  std::int64_t padded_length = 0;  // 0: packed
  std::int64_t max_length = 0;     // no sequence has more rows
  auto operator<=>(const BatchShape&) const = default;
};

/// A batch with the rows of the store it is made of.
struct LabelledBatch {
  BatchShape shape;
  Tensor examples;     // int32 [B]
  Tensor key_lengths;  // int32, real rows of each sequence; those of `tokens` only where attention is to see them
  TokenBatch tokens;
  Tensor labels;  // int32 [B]; of no meaning where the store has none
};

class ExampleStore {
 public:
  /// Throws Error unless there are as many labels as examples, or none.
  ExampleStore(const std::vector<std::vector<std::int32_t>>& ids, std::span<const std::int32_t> labels,
               const BatchForm& form, Device device);

  std::int64_t size() const { return static_cast<std::int64_t>(kept_.size()); }
  /// By example, on the host; empty where unknown.
  const std::vector<std::int32_t>& labels() const { return host_labels_; }
  Device device() const { return tokens_.device(); }
  /// Tokens of some examples, after cutting.
  std::int64_t tokens_of(std::span<const std::int32_t> examples) const;
  BatchShape shape_of(std::span<const std::int32_t> examples) const;
  /// Room for a batch of this shape, its contents undefined.
  LabelledBatch make(const BatchShape& shape) const;
  /// Fills a batch with the examples that batch.examples names; only starts work on the device.
  void gather(const LabelledBatch& batch) const;
  /// A batch of these examples.
  LabelledBatch batch(std::span<const std::int32_t> examples) const;

 private:
  std::int64_t longest_of(std::span<const std::int32_t> examples) const;

  BatchForm form_;
  std::vector<std::int32_t> host_labels_;
  std::vector<std::int32_t> kept_;  // tokens of each example, after cutting to max_length
  std::int64_t longest_ = 1;        // rows of the longest example
  Tensor tokens_, labels_;
  std::shared_ptr<Storage> starts_;  // int64 [E + 1]
};

}  // namespace attune
