// The weights of the best evaluation of a run, and how many evaluations have come since: for keeping the best model and
// for early stopping.
//
// Evaluations during a run are offered one after the other. The weights of the best one are copied to the host; of equal
// ones the first is the best. A value that is undefined (nan) is never better. These copies and counts are part of the
// run's state. The weights at the end of a run are compared last, and not as a part of its state, so that a longer run
// goes on as if it had not ended.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/nn/module.h"
#include "engine/train/evaluator.h"
#include "engine/train/run_state.h"
#include "engine/train/task.h"

namespace attune {

class BestModel {
 public:
  /// `measure` is one of the task's qualities() (engine/train/task.h). After `patience` evaluations in a row that are
  /// not better than the best one (undefined ones do not count) the run is out of patience; 0: never. Throws Error if there is no such measure.
  BestModel(const Module& model, const Task& task, std::string measure, std::int64_t patience);

  const std::string& measure() const { return measure_; }
  /// Its value in an evaluation.
  double value_in(const Evaluation& evaluation) const;
  /// Whether this value is better than every one before; then the current weights are kept. `step` is the last batch.
  bool offer(std::int64_t step, double value);
  /// The same at the end of a run. If it is better, the current weights are the best, and use() leaves them.
  void offer_last(std::int64_t step, double value);
  bool out_of_patience() const { return patience_ > 0 && evaluations_since_ >= patience_; }

  /// The step and the value of the best weights; none if no value was defined.
  std::optional<BestValue> best() const { return last_ ? last_ : best_; }
  /// Puts the best weights into the model, if there are any. No step may follow.
  void use();

  /// Adds this to the state of a run; after use() too it is the state before.
  void add_to(RunState& state) const;
  /// Continues from such a state. Throws Error naming the parameter if it is the state of another model, or of a run
  /// that keeps the best model by another measure or not at all.
  void restore(const RunState& state);

 private:
  bool better(double value, const std::optional<BestValue>& than) const;

  const Module& model_;
  std::string measure_;
  bool smaller_is_better_;
  std::int64_t patience_;
  std::optional<BestValue> best_, last_;
  std::int64_t evaluations_since_ = 0;  // the best one
  std::vector<Tensor> weights_;         // of best_: the trained parameters; after use() those of the last step
  bool in_use_ = false;
};

}  // namespace attune
