// Tokenised examples with their labels, flat: the ids of all examples one after the other, and where each begins.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/tensor/tensor.h"

namespace attune {

/// The examples of one split, N ids of E examples, in host memory or over a mapped file. Copying shares the bytes.
struct Dataset {
  std::string name;  // for messages, e.g. the file
  Tensor ids;        // int32 [N], special tokens included
  Tensor starts;     // int64 [E + 1]: example e has the ids starts[e] .. starts[e + 1)
  Tensor type_ids;   // int32 [N], the segment of each id; undefined: all 0
  Tensor labels;     // int32 [E], one class each; float32 [E, L], several labels or numbers each; undefined: unknown
  std::string digest = {};  // SHA-256 of the tensors, wherever they are stored; only those of dataset_file.h have one
  Tensor marks = {};        // int64 [E], what the caller notes of each text; not in the digest; undefined: nothing

  /// Examples from a list of ids for each.
  static Dataset from(const std::string& name, const std::vector<std::vector<std::int32_t>>& ids,
                      const Tensor& labels = {});

  /// E; 0 if there is nothing at all.
  std::int64_t size() const { return starts.defined() ? starts.numel() - 1 : 0; }
  /// Tokens of example e.
  std::int64_t length(std::int64_t e) const;
  /// Tokens of the longest example; 0 when empty.
  std::int64_t longest() const;
  /// Throws Error naming the data set if a tensor is missing, has another shape or dtype than above, `starts` does not
  /// rise from 0 to N, or a label is not finite.
  void check() const;
};

}  // namespace attune
