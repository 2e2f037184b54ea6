// Loss and measures of a model over batches of a split, without gradients and without dropout.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/autograd/variable.h"
#include "engine/comm/communicator.h"
#include "engine/data/loader.h"
#include "engine/train/captured_shapes.h"
#include "engine/train/example_store.h"
#include "engine/train/task.h"

namespace attune {

/// A model as training sees it: the logits [B, L] of a batch.
using LogitsFn = std::function<Variable(const TokenBatch& batch, const ForwardPass& pass)>;

struct Evaluation {
  double loss = 0;  // mean over batches of the batches' mean losses
  std::int64_t examples = 0;
  std::vector<Measure> measures = {};  // of the task, over all of these examples
  // What the measures are of, on the host, in the order of the pass.
  std::vector<std::int32_t> rows = {};  // of each example its place in the split
  Tensor logits = {};                   // float64 [examples, outputs]
  Tensor labels = {};                   // as the task has them

  /// The measure of that name. Throws Error if there is none.
  double measure(std::string_view name) const;
};

/// Evaluates a model on the examples of one store. On a CUDA device the host runs a few batches ahead. All work except
/// the first batch is recorded in one CUDA graph per shape and replayed.
class Evaluator {
 public:
  /// `graphs`: capture and replay if the device can. `processes` share the batches of an evaluation; all of them have its
  /// results.
  Evaluator(LogitsFn logits, const Task& task, const ExampleStore& examples, bool graphs,
            Communicator& processes = single_process());

  /// The first `max_batches` batches of a pass over labelled examples (all if negative). `progress(done, total)` is
  /// called after each batch and ends the evaluation early by returning false. Throws NotFiniteError naming the example
  /// whose logits are not finite, or the batch whose loss is not, and the first tensor that is not finite.
  Evaluation run(const LoaderPass& pass, std::int64_t max_batches,
                 const std::function<bool(std::int64_t, std::int64_t)>& progress = {});
  /// The loss of run() alone.
  double loss(const LoaderPass& pass, std::int64_t max_batches);
  /// Throws NotFiniteError like run() if these examples have no finite logits. It captures nothing.
  void check(std::span<const std::int32_t> examples);

 private:
  struct Pending;

  Evaluation evaluate(const LoaderPass& pass, std::int64_t max_batches, bool measures,
                      const std::function<bool(std::int64_t, std::int64_t)>& progress);
  // Starts a batch; its loss and logits.
  Pending start(std::span<const std::int32_t> examples, bool graphs);
  std::vector<Tensor> work(const LabelledBatch& batch) const;
  void check_finite(Pending& batch);

  LogitsFn logits_;
  const Task& task_;
  const ExampleStore& examples_;
  bool graphs_;
  Communicator& processes_;
  CapturedShapes shapes_;
};

}  // namespace attune
