// One training step after another on a device, without waiting for any of them.
//
// A step is: gather the batch, forward, loss, backward, and at the end of an accumulation group the update. On the CPU
// it is done when start() returns. On a CUDA device start() only starts it; what it has to tell (loss, gradient norm)
// is copied to the host behind it and handed out by take() when it is there. Where every step ends with an update, the
// work of a step is captured in a CUDA graph, one per batch shape, and replayed: the host's part of a step is then a
// few numbers (which examples, the dropout step, the learning rate) and one launch.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/nn/example_store.h"
#include "engine/optim/adamw.h"
#include "engine/train/evaluator.h"
#include "engine/train/task.h"

namespace attune {

/// What a step told.
struct StepResult {
  std::int64_t step;
  double loss;
  std::optional<double> grad_norm;  // of a step with an update, where it is measured
};

struct StepOptions {
  std::uint64_t seed = 0;               // of dropout
  std::int64_t accumulation_steps = 1;  // the loss is divided by it
  bool graphs = true;                   // capture and replay where the device can
};

class StepRunner {
 public:
  StepRunner(const LogitsFn& logits, const Task& task, AdamWOptimizer& optimizer, const StepOptions& options);
  ~StepRunner();
  StepRunner(const StepRunner&) = delete;
  StepRunner& operator=(const StepRunner&) = delete;

  /// Starts step `step` (from 0) on these examples; with a learning rate it ends with an update.
  void start(const ExampleStore& store, std::span<const std::int32_t> examples, std::int64_t step,
             std::optional<double> learning_rate);
  /// Bytes of the device's memory that will be taken while steps of `batch_size` examples of `length` tokens run, others'
  /// included: learned from small batches, which change nothing. Tensors will not need more; what a device loses beside is
  /// between blocks of different sizes.
  std::size_t predict_peak_memory(const BatchForm& form, std::int64_t batch_size, std::int64_t length);
  /// The results that are there, in order; all of those started, waiting for them, where `wait`.
  std::vector<StepResult> take(bool wait);
  /// Graphs captured so far.
  std::int64_t graphs() const { return static_cast<std::int64_t>(captured_.size()); }

 private:
  struct Pending;
  struct Captured;

  bool uses_graphs(const ExampleStore& store) const;
  void work(const ExampleStore& store, const LabelledBatch& batch, const ForwardPass& pass, bool update);
  std::size_t peak_of_batch(const ExampleStore& store, std::size_t size);
  Captured& captured_for(const ExampleStore& store, const BatchShape& shape, const ForwardPass& pass);

  LogitsFn logits_;
  const Task& task_;
  AdamWOptimizer& optimizer_;
  StepOptions options_;
  bool group_begins_ = true;  // the next step is the first since the last update
  bool warm_ = false;         // a batch has been through the model outside of a graph
  Tensor step_at_;            // int32 [1]: the dropout step, read by captured work
  Tensor loss_;               // of the latest step
  std::map<BatchShape, std::unique_ptr<Captured>> captured_;
  std::deque<Pending> pending_;
};

}  // namespace attune
