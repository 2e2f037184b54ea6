// Tokenised examples with their labels, flat: the ids of all examples one after the other, and where each begins.
//
// A model reads windows: sequences of tokens that fit its context. Most data sets have one window for each example. An
// example that is too long may have several, which overlap; then ids repeat where they do.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/tensor/tensor.h"

namespace attune {

/// The examples of one split, N ids in W windows of E examples, in host memory or over a mapped file. Copying shares the
/// bytes.
struct Dataset {
  std::string name;  // for messages, e.g. the file
  Tensor ids;        // int32 [N], special tokens included
  Tensor starts;     // int64 [W + 1]: window w has the ids starts[w] .. starts[w + 1)
  Tensor type_ids;   // int32 [N], the segment of each id; undefined: all 0
  Tensor labels;     // int32 [E], one class each; float32 [E, L], several labels or numbers each; undefined: unknown
  std::string digest = {};  // SHA-256 of the tensors, wherever they are stored; only those of dataset_file.h have one
  Tensor marks = {};        // int64 [E], what the caller notes of each text; not in the digest; undefined: nothing
  Tensor windows = {};      // int64 [E + 1]: example e has the windows windows[e] .. windows[e + 1), at least one;
                            // undefined: each has one

  /// Examples from a list of ids for each.
  static Dataset from(const std::string& name, const std::vector<std::vector<std::int32_t>>& ids,
                      const Tensor& labels = {});

  /// E; 0 if there is nothing at all.
  std::int64_t size() const { return windows.defined() ? windows.numel() - 1 : window_count(); }
  /// W.
  std::int64_t window_count() const { return starts.defined() ? starts.numel() - 1 : 0; }
  /// The first window of example e, for e in [0, E]; that of E is W.
  std::int64_t first_window(std::int64_t e) const { return windows.defined() ? at(windows, e) : e; }
  /// Tokens of window w.
  std::int64_t window_length(std::int64_t w) const { return at(starts, w + 1) - at(starts, w); }
  /// Tokens of example e, in all of its windows.
  std::int64_t length(std::int64_t e) const { return at(starts, first_window(e + 1)) - at(starts, first_window(e)); }
  /// Tokens of the longest window; 0 when empty.
  std::int64_t longest() const;
  /// Throws Error naming the data set if a tensor is missing, has another shape or dtype than above, `starts` does not
  /// rise from 0 to N, `windows` not from 0 to W, an example has no window, or a label is not finite.
  void check() const;

 private:
  static std::int64_t at(const Tensor& x, std::int64_t i) {
    return x.values<std::int64_t>()[static_cast<std::size_t>(i)];
  }
};

}  // namespace attune
