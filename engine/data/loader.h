// The order of examples in the reference recipe's data loaders.
//
// Every pass over a loader draws one 64-bit number from the run's generator when it begins; a shuffling loader draws a
// second number when its first batch is requested. This number seeds a separate generator, which gives one permutation.
// A pass that stops early draws nothing more. So the order of training batches depends on when evaluations happen; both
// are reproduced here (torch.utils.data.DataLoader with 0 workers).
//
// A pass may group its rows by length, which the recipe does not. The rows stay those of the permutation. Each stretch
// of kStretchBatches batches is sorted by length and cut into batches, the separate generator shuffles the batches of
// all stretches, and the batch with the most tokens comes first: a run that needs too much memory ends at its first
// step.
// Batches may also be measured in tokens: a batch then has as many consecutive rows as there is room for.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/torch_random.h"

namespace attune {

struct LoaderOptions {
  std::int64_t batch_size = 8;
  bool shuffle = false;
  bool drop_last = false;
  bool group_by_length = false;                // a shuffling pass has batches of similar lengths
  std::int64_t batch_tokens = 0;               // if positive: the maximum tokens of a batch, in place of batch_size
  std::span<const std::int32_t> lengths = {};  // tokens of every row, if one of the two is used
};

/// One pass over the rows 0 .. rows - 1 of a split, in batches.
class LoaderPass {
 public:
  /// Batches of a stretch of rows that is sorted by length.
  static constexpr std::int64_t kStretchBatches = 50;

  /// Draws the numbers that the reference draws for a pass whose first batch is requested.
  LoaderPass(TorchGenerator& generator, std::int64_t rows, const LoaderOptions& options);
  /// The pass that has this seed(), without a draw.
  LoaderPass(std::uint64_t seed, std::int64_t rows, const LoaderOptions& options);

  /// Draws the numbers of a pass; returns its seed().
  static std::uint64_t draw_seed(TorchGenerator& generator, bool shuffle);

  /// The seed of a shuffling pass's order; 0 if it does not shuffle.
  std::uint64_t seed() const { return seed_; }
  /// Number of batches of the whole pass.
  std::int64_t batches() const { return std::ssize(batches_); }
  /// Rows of batch i; the last may be shorter unless it is dropped. A row with more than batch_tokens tokens is alone.
  std::span<const std::int32_t> batch(std::int64_t i) const;

 private:
  // A batch, or a stretch of them: these places of order_.
  struct Part {
    std::size_t begin, size;
  };
  std::vector<Part> cut(const Part& whole, std::int64_t limit, std::size_t max_rows,
                        const LoaderOptions& options) const;
  void group(TorchGenerator& generator, const LoaderOptions& options);

  std::uint64_t seed_;
  std::vector<std::int32_t> order_;
  std::vector<Part> batches_;
};

}  // namespace attune
