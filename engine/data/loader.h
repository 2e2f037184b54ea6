// The reference recipe's data loaders, as far as they decide which examples come when.
//
// Every pass over a loader draws one 64-bit number from the run's generator when it begins; a shuffling loader draws a
// second one when its first batch is asked for, seeds a generator of its own with it, and takes one permutation from
// that. A pass that stops early draws nothing more. Hence the order of training batches depends on when evaluations
// happen, and both are reproduced here (torch.utils.data.DataLoader with 0 workers).
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
};

/// One pass over the rows 0 .. rows - 1 of a split, in batches.
class LoaderPass {
 public:
  /// Draws what the reference draws for a pass whose first batch is asked for.
  LoaderPass(TorchGenerator& generator, std::int64_t rows, const LoaderOptions& options);
  /// The pass that has this seed(), without a draw.
  LoaderPass(std::uint64_t seed, std::int64_t rows, const LoaderOptions& options);

  /// What a shuffling pass has its order from; 0 where it does not shuffle.
  std::uint64_t seed() const { return seed_; }
  /// Number of batches of the whole pass.
  std::int64_t batches() const { return batches_; }
  /// Rows of batch i; the last may be shorter unless it is dropped.
  std::span<const std::int32_t> batch(std::int64_t i) const;

 private:
  std::uint64_t seed_;
  std::vector<std::int32_t> order_;
  std::int64_t batch_size_, batches_;
};

}  // namespace attune
