// Tokenised examples with their labels, and the batches made of them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace attune {

/// Token ids and labels of one split.
struct Dataset {
  std::string name;                            // for messages, e.g. the file
  std::vector<std::vector<std::int32_t>> ids;  // of each example, special tokens included
  std::vector<std::int32_t> labels;            // as many; empty where unknown

  std::int64_t size() const { return static_cast<std::int64_t>(ids.size()); }
  /// Tokens of the longest example; 0 when empty.
  std::int64_t longest() const;
};

/// Some examples of a Dataset, ids still on the host.
struct Batch {
  std::vector<std::int32_t> ids;      // packed: one example after the other; padded: [B, padded_length]
  std::vector<std::int32_t> lengths;  // [B] real tokens
  std::vector<std::int32_t> labels;   // [B]; empty where unknown
  std::int64_t padded_length = 0;     // 0: packed
};

/// How examples become a batch.
struct Collator {
  std::int64_t max_length =
      0;                    // longer examples are cut; padded batches are filled up to it; 0: the longest of the batch
  std::int32_t pad_id = 0;  // fills padded rows
  bool packed = false;      // no padding rows

  /// The batch of dataset rows `rows`, in that order. An empty example becomes one padding token.
  Batch operator()(const Dataset& dataset, std::span<const std::int32_t> rows) const;
};

/// Parses a label: an integer in [0, classes), or one of `label_names`. Throws Error with `where` (file and line) in
/// front.
std::int32_t parse_label(const std::string& text, std::int64_t classes, const std::vector<std::string>& label_names,
                         const std::string& where);

}  // namespace attune
