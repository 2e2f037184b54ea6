// The training loop of the reference recipe.
//
// For every batch: forward, the task's loss, backward, AdamW. Batches count from 0; after batch 0, 50, 100, ... the
// loss is evaluated on the first batches of a fresh pass over the training split and of one over the validation split;
// at the end of an epoch the measures are evaluated. If the run has a moving average of its weights, all evaluations are
// of the average, and so is the best model. All passes draw from one generator, so the order of examples is
// the reference's (engine/data/loader.h), and depends on how often losses are evaluated. With independent evaluations
// it does not. A run that keeps its best model also evaluates a measure over the whole validation split, which draws
// nothing, with the losses and at its end (engine/train/best_model.h).
//
// The loss of a batch is the mean over its texts. The gradient of an optimizer step is the mean over its batches, as in
// the recipe, which divides by accumulation_steps also where an epoch ends inside of a group. If batches are measured in
// tokens, it is the mean over all texts of its batches.
//
// A run is a function of its options and data: dropout is counter-based, every reduction has a fixed order. If several
// processes share a run, each has a part of every training batch and some batches of every evaluation; all have the same
// weights after every optimizer step (engine/train/gradient_sums.h). On a CUDA device the host runs a few steps ahead:
// reports and errors of a step arrive a few steps later. Everything that the next step depends on is one value
// (engine/train/run_state.h), so a run can be interrupted after any step and resumed; if several processes share it,
// after any optimizer step.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "engine/comm/communicator.h"
#include "engine/data/dataset.h"
#include "engine/nn/module.h"
#include "engine/optim/adamw.h"
#include "engine/optim/lr_schedule.h"
#include "engine/train/best_model.h"
#include "engine/train/epoch_plan.h"
#include "engine/train/evaluator.h"
#include "engine/train/not_finite.h"
#include "engine/train/run_state.h"
#include "engine/train/step_runner.h"

namespace attune {

struct TrainOptions {
  std::int64_t epochs = 1;
  std::int64_t batch_size = 8;
  bool group_by_length = false;         // training batches have texts of similar length (engine/data/loader.h)
  std::int64_t batch_tokens = 0;        // if positive: the maximum tokens of a training batch, in place of batch_size
  std::int64_t accumulation_steps = 1;  // batches per optimizer step
  std::int64_t max_steps = 0;           // stop after this many batches; 0: no limit
  std::int64_t eval_every = 50;         // batches between evaluations; 0: none
  std::int64_t eval_batches = 20;       // batches of each split per evaluation
  LrSchedule schedule;
  std::uint64_t seed = 123;
  bool independent_evaluation = false;  // evaluations draw from generators of their own
  bool graphs = true;                   // capture steps if the device can (engine/train/step_runner.h)
  std::string keep_best = {};           // the measure that the best model is chosen by; empty: keep the last one
  std::int64_t patience = 0;            // stop after so many evaluations that are not better; 0: do not
  double ema_decay = 0;                 // of the moving average of the weights; 0: none
  bool shard_optimizer = false;         // moments and averages are divided over the processes; no bit depends on it
  AdamWOptions adamw;
  std::int64_t exchange_bucket = DeviceGradientSums::kBucket;  // elements of gradients that GPUs exchange at once
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
  std::optional<Measure> measure = {};  // over the whole validation split, if the run keeps its best model
  bool best = false;                    // its best value so far
};
struct EpochRecord {
  std::int64_t epoch;
  Evaluation train, validation;  // over the first batches
};

/// Receives everything that happens in a run.
class TrainObserver {
 public:
  virtual ~TrainObserver() = default;
  /// `step` of `total_steps` batches are done: more than 0 if a run continues.
  virtual void begin(std::int64_t step, std::int64_t total_steps) = 0;
  virtual void step(const StepRecord& record) = 0;
  virtual void evaluation(const EvaluationRecord& record) = 0;
  virtual void epoch(const EpochRecord& record) = 0;
};

/// The splits of a run, how their examples become batches, and the device of the model.
struct TrainData {
  const Dataset& train;
  const Dataset& validation;
  BatchForm form;
  Device device = Device::kCpu;
  Communicator& processes = single_process();  // those that share the run; all have the same splits and options
  DeviceExchange* devices = nullptr;           // by which they add gradients on GPUs; null: through their hosts
};

/// When a run's state is saved during training.
struct SavePlan {
  std::int64_t every = 0;                                // batches; 0: never
  std::function<void(const RunState& state)> save = {};  // as in Trainer::save_state
};

class Trainer {
 public:
  /// The task must outlive the trainer.
  Trainer(const Module& model, LogitsFn logits, const Task& task, const TrainData& data, const TrainOptions& options);

  /// Trains until all epochs or max_steps are done, or the patience is; false if `stop()`, asked after every batch and
  /// after every batch of an evaluation of the whole validation split, ended it early. Such an evaluation then comes
  /// first when the run goes on. After the last batch of a run that ends inside of an epoch it is too late to stop.
  /// Throws Error if a trained parameter has no gradient in the first optimizer step, and NotFiniteError if the loss of
  /// a step or the norm of its gradient is not finite; it names the step and, after it has run the step again, the first
  /// tensor that is not finite. The parameters stay as that step found them. `plan.save` is called after everything of
  /// the batches before has been reported, and after check().
  bool run(TrainObserver& observer, const std::function<bool()>& stop, const SavePlan& plan = {});

  /// Checks that the model is worth saving. Throws NotFiniteError if a trained weight is not finite, or if the model has
  /// no finite logits for the latest training batch or for the first validation examples.
  void check();

  /// The state of the run between batches, without the parts that the caller adds (log, options, version). Its tensors
  /// share the run's bytes: use it before the run continues. What is divided over processes can only be saved.
  RunState state() const;
  /// Calls save(state()) on rank 0 of the processes that share the run, where it can be written whole. Collective.
  void save_state(const std::function<void(const RunState& state)>& save) const;
  /// Bytes of the optimizer's moments and of the moving average in this process.
  std::size_t state_bytes() const;
  /// Continues from where state() was taken, with the same bits as that run. Throws Error naming the parameter if it is
  /// the state of another model, or a number that does not fit this run.
  void restore(const RunState& state);

  /// Puts the weights that are the run's result into the model: the moving average if there is one, and those of the
  /// best evaluation if the run keeps them. No step may follow.
  void use_result();
  /// The best model; null if the run does not keep it.
  const BestModel* best_model() const { return best_model_ ? &*best_model_ : nullptr; }

  /// Loss and measures over a whole split, in the reference's order of draws.
  Evaluation evaluate_all(const Dataset& dataset, bool training_split,
                          const std::function<bool(std::int64_t, std::int64_t)>& progress);

  /// The evaluation with the lowest validation loss so far; none before the first one.
  const std::optional<BestEvaluation>& best() const { return best_; }
  /// Seconds of training, including those before the run was resumed.
  double seconds() const;
  /// Batches done.
  std::int64_t steps() const { return step_; }
  /// Batches of a full run.
  std::int64_t total_steps() const { return plan_.total_steps(); }
  /// The learning rate of every optimizer step, with the number of them in a full run.
  const LrSchedule& schedule() const { return options_.schedule; }
  /// The predicted maximum of device memory in bytes before the run begins, without gaps between blocks
  /// (StepRunner::predict_peak_memory). Only on a CUDA device.
  std::size_t predict_peak_memory();
  /// Number of CUDA graphs that the steps so far were replayed from.
  std::int64_t graphs() const { return runner_.graphs(); }

 private:
  // The numbers that are reported with the result of a step.
  struct Started {
    std::int64_t epoch;
    double learning_rate;
    std::int64_t tokens;
    std::chrono::steady_clock::time_point begin;
  };

  void check_finite(const StepResult& result);
  std::string find_cause(const StepResult& result, std::optional<NotFinite>& found);
  void report(TrainObserver& observer, const std::vector<StepResult>& results);
  void start_batch();
  /// After the first optimizer step. Throws Error naming a trained parameter that had no gradient.
  void check_gradients() const;
  bool run_batches(TrainObserver& observer, const std::function<bool()>& stop, const SavePlan& plan);
  /// Whether no batch follows.
  bool ended() const { return step_ == plan_.total_steps() || (best_model_ && best_model_->out_of_patience()); }
  /// Whether neither a batch nor the end of an epoch follows: it is too late to stop.
  bool trained() const { return ended() && (!epoch_pass_ || batch_ < epoch_pass_->batches()); }
  /// Whether an evaluation follows this batch, counted from 0.
  bool evaluates(std::int64_t step) const { return options_.eval_every > 0 && step % options_.eval_every == 0; }
  /// The evaluation after the latest batch. If `stop()`, asked after every batch of the whole validation split, ends it,
  /// then nothing but evaluation_left_ has changed, and it returns false.
  bool evaluate(TrainObserver& observer, const std::function<bool()>& stop);
  // None if `stop()` ended them.
  std::optional<EvaluationRecord> evaluate_losses(const std::function<bool()>& stop);
  std::optional<double> evaluate_best_measure(const std::function<bool()>& stop);
  void check_model();
  /// Throws Error naming a rank that has other weights than rank 0.
  void check_same_weights();
  void check_position(const RunState& state) const;
  StepBatch own(const StepBatch& whole) const;
  LoaderOptions loader_options(bool training_split) const;
  /// Those of the batches to train on.
  LoaderOptions training_options() const;
  LoaderPass evaluation_pass(std::int64_t examples, bool training_split);
  EpochRecord evaluate_epoch(std::int64_t epoch);
  EpochPlan plan() const;
  StepBatch step_batch(std::int64_t batch) const;
  /// Of a split that is read in batches of so many rows.
  ExampleStore store(const Dataset& dataset, std::int64_t batch_rows) const;
  /// Rows of a full batch.
  std::int64_t evaluation_rows(const Dataset& dataset) const;
  std::int64_t training_rows() const;
  /// Tokens of its longest window, cut if batches cut it.
  std::int64_t kept_length(const Dataset& dataset) const;

  const Module& model_;
  LogitsFn logits_;
  const Task& task_;
  TrainData data_;
  TrainOptions options_;
  TorchGenerator generator_;
  std::unique_ptr<Shares> shares_;  // of the trained parameters, if their optimizer's state is divided
  AdamWOptimizer optimizer_;
  std::unique_ptr<MovingAverage> average_;  // null: the run has none
  ExampleStore train_, validation_;
  std::vector<std::int32_t> train_rows_;  // of each training example, if they decide about the batches
  EpochPlan plan_;
  Evaluator train_evaluator_, validation_evaluator_;
  StepRunner runner_;
  std::deque<Started> started_;
  std::chrono::steady_clock::time_point last_report_;
  std::vector<std::int32_t> latest_examples_;  // of the latest batch

  // The position of the run.
  std::int64_t step_ = 0, epoch_ = 1, batch_ = 0;  // batches started; the current or next pass; its batches started
  std::optional<LoaderPass> epoch_pass_;           // none: not begun
  std::int64_t optimizer_steps_ = 0;               // started
  bool save_is_due_ = false;
  double seconds_before_ = 0;  // of the run that is resumed
  std::optional<std::chrono::steady_clock::time_point> begin_;
  bool evaluation_left_ = false;  // the evaluation after the latest batch was stopped
  std::optional<BestEvaluation> best_;
  std::optional<BestModel> best_model_;
};

}  // namespace attune
