// The training loop of the reference recipe.
//
// For every batch: forward, the task's loss, backward, AdamW. Batches count from 0; after batch 0, 50, 100, ... the loss
// is evaluated on the first batches of a fresh pass over the training split and of one over the validation split; at
// the end of an epoch the measures are. All passes draw from one generator, so the order of examples is the reference's
// (engine/data/loader.h).
//
// A run is a function of its options and data: dropout is counter-based, every reduction has a fixed order. Where
// several devices share a step, gradients are averaged between backward and the optimizer, in StepRunner::work, and
// nowhere else. On a CUDA device the host runs a few steps ahead: reports of a step, and errors found in it, come that
// much later. What the next step depends on is one value (engine/train/run_state.h), so that a run can be left after any
// step and gone on with.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>

#include "engine/data/dataset.h"
#include "engine/nn/module.h"
#include "engine/optim/adamw.h"
#include "engine/optim/lr_schedule.h"
#include "engine/train/evaluator.h"
#include "engine/train/run_state.h"
#include "engine/train/step_runner.h"

namespace attune {

struct TrainOptions {
  std::int64_t epochs = 1;
  std::int64_t batch_size = 8;
  std::int64_t accumulation_steps = 1;  // batches per optimizer step
  std::int64_t max_steps = 0;           // stop after this many batches; 0: no limit
  std::int64_t eval_every = 50;         // batches between evaluations; 0: none
  std::int64_t eval_batches = 20;       // batches of each split per evaluation
  LrSchedule schedule;
  std::uint64_t seed = 123;
  bool graphs = true;  // capture steps where the device can (engine/train/step_runner.h)
  AdamWOptions adamw;
};

/// One batch, after its update.
struct StepRecord {
  std::int64_t step, epoch;  // step counts batches from 0, epoch from 1
  double loss, learning_rate;
  std::optional<double> grad_norm;
  double tokens_per_second;
};
struct EvaluationRecord {
  std::int64_t step, epoch;
  double train_loss, validation_loss;
};
struct EpochRecord {
  std::int64_t epoch;
  Evaluation train, validation;  // over the first batches
};

/// Is called with everything that happens in a run.
class TrainObserver {
 public:
  virtual ~TrainObserver() = default;
  /// `step` of `total_steps` batches are done: more than 0 where a run goes on.
  virtual void begin(std::int64_t step, std::int64_t total_steps) = 0;
  virtual void step(const StepRecord& record) = 0;
  virtual void evaluation(const EvaluationRecord& record) = 0;
  virtual void epoch(const EpochRecord& record) = 0;
};

/// The splits of a run, how their examples become batches, and where the model lives.
struct TrainData {
  const Dataset& train;
  const Dataset& validation;
  BatchForm form;
  Device device = Device::kCpu;
};

/// When a run's state is saved while it goes.
struct SavePlan {
  std::int64_t every = 0;  // batches; 0: never
  std::function<void(const RunState& state)> save = {};
};

class Trainer {
 public:
  /// The task must outlive the trainer.
  Trainer(const Module& model, LogitsFn logits, const Task& task, const TrainData& data, const TrainOptions& options);

  /// Trains until all epochs or max_steps are done; false where `stop()`, asked after every batch, ended it early.
  /// Throws Error naming the step where the loss is not finite, or the norm of the gradient where it is measured; and the
  /// tensor whose gradient is not, unless steps are replayed from graphs. `plan.save` is called after everything of the
  /// batches before has been reported.
  bool run(TrainObserver& observer, const std::function<bool()>& stop, const SavePlan& plan = {});

  /// The run as it is between batches, without what the caller adds (log, options, version). Its tensors share the run's
  /// bytes: to be used before the run goes on.
  RunState state() const;
  /// Goes on where state() was taken, with the bits that the run it was taken of would have had. Throws Error naming the
  /// parameter where it is the state of another model, or a number that does not fit this run.
  void restore(const RunState& state);

  /// Loss and measures over a whole split, in the reference's order of draws.
  Evaluation evaluate_all(const Dataset& dataset, bool training_split,
                          const std::function<bool(std::int64_t, std::int64_t)>& progress);

  /// The evaluation with the lowest validation loss so far; none before the first one.
  const std::optional<BestEvaluation>& best() const { return best_; }
  /// Seconds of training, those before the run was gone on with included.
  double seconds() const;
  /// Batches of a full run.
  std::int64_t total_steps() const;
  /// Bytes of the device's memory that will be taken at most, but for gaps between blocks, before the run begins
  /// (StepRunner::predict_peak_memory). Only on a CUDA device.
  std::size_t predict_peak_memory();
  /// CUDA graphs that the steps so far were replayed from.
  std::int64_t graphs() const { return runner_.graphs(); }

 private:
  // What is reported of a step with its result.
  struct Started {
    std::int64_t epoch;
    double learning_rate;
    std::int64_t tokens;
    std::chrono::steady_clock::time_point begin;
  };

  void check_finite(const StepResult& result) const;
  void report(TrainObserver& observer, const std::vector<StepResult>& results);
  void start_batch();
  void check_position(const RunState& state) const;
  std::int64_t epoch_batches() const { return train_.size() / options_.batch_size; }
  LoaderOptions loader_options(bool training_split) const;
  LoaderPass pass(std::int64_t examples, bool training_split);
  EvaluationRecord evaluate_losses(std::int64_t step, std::int64_t epoch);
  EpochRecord evaluate_epoch(std::int64_t epoch);
  ExampleStore store(const Dataset& dataset) const;
  /// Tokens of its longest example, cut where batches cut it.
  std::int64_t kept_length(const Dataset& dataset) const;

  const Module& model_;
  LogitsFn logits_;
  const Task& task_;
  TrainData data_;
  TrainOptions options_;
  TorchGenerator generator_;
  AdamWOptimizer optimizer_;
  ExampleStore train_, validation_;
  Evaluator train_evaluator_, validation_evaluator_;
  StepRunner runner_;
  std::deque<Started> started_;
  std::chrono::steady_clock::time_point last_report_;
  std::int64_t reported_updates_ = 0;

  // Where the run is.
  std::int64_t step_ = 0, epoch_ = 1, batch_ = 0;  // batches started; the pass under way or next; batches of it started
  std::optional<LoaderPass> epoch_pass_;           // none: not begun
  std::int64_t optimizer_steps_ = 0;               // started
  double seconds_before_ = 0;                      // of what was gone on with
  std::optional<std::chrono::steady_clock::time_point> begin_;
  std::optional<BestEvaluation> best_;
};

}  // namespace attune
