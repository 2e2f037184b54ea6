// A split on a device, and batches that are gathered from it there.
//
// The examples are sent to the device once. For a batch the host sends only the row numbers; ids, positions, offsets
// and the rest are computed on the device (kernels/gather_batch.h). The host must know only the batch's shape in
// advance. An example of several windows is as many sequences of the batch, one after the other.
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/data/batch_form.h"
#include "engine/data/dataset.h"
#include "engine/nn/token_batch.h"
#include "engine/ops/gather_batch.h"

namespace attune {

/// The sizes of a batch's tensors; batches of equal shape run the same sequence of kernels.
struct BatchShape {
  std::int64_t count = 0;          // examples
  std::int64_t sequences = 0;      // their windows
  std::int64_t rows = 0;           // of all of them, padding counted
  std::int64_t padded_length = 0;  // 0: packed
  std::int64_t max_length = 0;     // no sequence has more rows
  auto operator<=>(const BatchShape&) const = default;
};

/// A batch, and the rows of the store that it contains.
struct LabelledBatch {
  BatchShape shape;
  Tensor choice;       // int32: what ExampleStore::choice says
  Tensor key_lengths;  // int32, real rows of each sequence; those of `tokens` only if attention uses them
  TokenBatch tokens;
  Tensor labels;  // the data set's with B rows: int32 [B] or float32 [B, L]; undefined if it has none
};

/// The number of rows of packed batches on a device is a multiple of this, for batches of examples of up to `longest`
/// tokens: few enough shapes to capture each, and few extra rows (a 64th of a full batch on average).
std::int64_t packed_row_multiple(std::int64_t batch_size, std::int64_t longest);

class ExampleStore {
 public:
  /// `row_multiple`: packed batches are filled up to a multiple of so many rows, so that few shapes occur. Throws Error
  /// if the data set is not whole (Dataset::check).
  ExampleStore(const Dataset& dataset, const BatchForm& form, Device device, std::int64_t row_multiple = 1);

  std::int64_t size() const { return host_.size(); }
  /// Of all examples, on the host; undefined if unknown.
  const Tensor& labels() const { return host_.labels; }
  Device device() const { return examples_.ids.device(); }
  /// Sequences of some examples, and their tokens after cutting.
  std::int64_t sequences_of(std::span<const std::int32_t> examples) const;
  std::int64_t tokens_of(std::span<const std::int32_t> examples) const;
  /// Rows of each example in a batch: its tokens, or with its padding.
  std::vector<std::int32_t> rows_of_examples() const;
  BatchShape shape_of(std::span<const std::int32_t> examples) const;
  /// What the host sends for a batch of these examples, B of them with S windows: int32, the B examples; if the data set
  /// has windows, then the S windows, and B + 1 offsets of the examples among them.
  Tensor choice(std::span<const std::int32_t> examples) const;
  /// Room for a batch of this shape, its contents undefined.
  LabelledBatch make(const BatchShape& shape) const;
  /// Fills a batch with the examples that batch.choice names; only starts work on the device. `before`: sequences before
  /// them in the batch that this one is a part of, for their dropout.
  void gather(const LabelledBatch& batch, std::int64_t before = 0) const;
  /// A batch of these examples.
  LabelledBatch batch(std::span<const std::int32_t> examples, std::int64_t before = 0) const;

 private:
  /// Tokens of a window, after cutting to form_.max_length.
  std::int64_t kept(std::int64_t window) const;
  std::vector<std::int32_t> windows_of(std::span<const std::int32_t> examples) const;

  BatchForm form_;
  std::int64_t row_multiple_;
  Dataset host_;
  std::int64_t longest_ = 1;  // rows of the longest window
  ops::TokenStore examples_;  // on the device
};

}  // namespace attune
