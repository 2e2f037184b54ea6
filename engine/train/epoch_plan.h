// How many batches and optimizer steps each epoch of a run has, before the run begins: learning-rate schedules, progress
// and checkpoints need the whole.
//
// Batches of so many texts are as many in every epoch. Batches by tokens depend on the order of the epoch. That order
// comes from the run's generator, and what else draws from it is known in advance: the evaluations, of which each
// begins a pass over the training split and one over the validation split.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/data/loader.h"

namespace attune {

/// What decides about the batches of each epoch if they differ.
struct DrawnEpochs {
  std::uint64_t seed;  // of the run's generator
  std::int64_t rows;   // of the training split
  LoaderOptions options;
  std::int64_t epochs, max_steps;  // as below
  std::int64_t eval_every;         // batches between evaluations that draw from the generator; 0: none
  bool eval_epochs;                // so does one at the end of each epoch
};

class EpochPlan {
 public:
  /// `epochs` epochs of `batches` batches. The run ends after `max_steps` batches if that is positive. Throws Error if
  /// the batches are more than can be counted.
  static EpochPlan even(std::int64_t epochs, std::int64_t batches, std::int64_t max_steps);
  /// Makes the passes of all epochs that are trained, with every draw before each. Throws Error if they are too many.
  static EpochPlan drawn(const DrawnEpochs& run);
  /// Epochs of so many batches each; those after max_steps may be left out.
  static EpochPlan uneven(const std::vector<std::int64_t>& batches, std::int64_t max_steps);

  /// Batches of the run.
  std::int64_t total_steps() const { return total_; }
  /// Batches before this epoch, counted from 1.
  std::int64_t first_step(std::int64_t epoch) const;
  /// Optimizer steps of the run, with `accumulation_steps` batches in each: every epoch and the run end with one, even
  /// if the group of batches is not full.
  std::int64_t optimizer_steps(std::int64_t accumulation_steps) const;
  /// Whether `batch` batches of this epoch are done after `step` batches of the run; the end of an epoch counts as
  /// both.
  bool is_place(std::int64_t step, std::int64_t epoch, std::int64_t batch) const;
  /// Whether an epoch ends after so many batches of the run.
  bool ends_epoch(std::int64_t step) const;
  /// "epochs of 7", or "the epochs of this run" if they are uneven.
  std::string text() const;

 private:
  std::int64_t even_ = 0;           // batches of each epoch; 0: uneven
  std::vector<std::int64_t> ends_;  // of uneven epochs
  std::int64_t total_ = 0;
};

}  // namespace attune
