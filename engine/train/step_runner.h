// Runs training steps on a device without waiting for them.
//
// A step is: gather the batch, forward, loss, backward, and at the end of an accumulation group the update. On the CPU
// it is done when start() returns. On a CUDA device start() only starts it; its results (loss, gradient norm) are then
// copied to the host, and take() returns them when they arrive. If every step ends with an update, the work of a step
// is captured in one CUDA graph per batch shape and replayed. The host then sends only a few numbers per step (the
// examples, the dropout step, the learning rate) and makes one launch. If several processes share the run, a graph also
// contains the exchange between GPUs, and a step is captured only if the parts of all processes have one shape; gradients
// that are exchanged through the hosts rule graphs out.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "engine/autograd/finite_watch.h"
#include "engine/optim/adamw.h"
#include "engine/train/captured_shapes.h"
#include "engine/train/device_gradient_sums.h"
#include "engine/train/evaluator.h"
#include "engine/train/gradient_sums.h"
#include "engine/train/moving_average.h"
#include "engine/train/task.h"

namespace attune {

struct StepResult {
  std::int64_t step;
  double loss;
  std::optional<double> grad_norm;  // of a step with an update
};

/// A batch of an optimizer step.
struct StepBatch {
  std::span<const std::int32_t> examples;
  double share = 1;  // of its loss in that of the optimizer step
  // If several processes share the batch, of this part:
  double part = 1;          // its share of the batch's loss
  std::int64_t before = 0;  // sequences before it
};

/// What was found when steps were run again.
struct Rerun {
  std::optional<NotFinite> found;  // the first tensor that is not finite
  double loss = 0;                 // of the last step
};

struct StepOptions {
  std::uint64_t seed = 0;               // of dropout
  std::int64_t accumulation_steps = 1;  // batches per optimizer step; only steps of one batch are captured
  bool graphs = true;                   // capture and replay if the device can
  MovingAverage* average = nullptr;     // of the parameters, moved after every optimizer step; null: none
  Communicator* processes = nullptr;    // those that share every batch; null: this one has whole batches
  DeviceExchange* devices = nullptr;    // by which they add gradients on GPUs; null: through their hosts
  std::int64_t exchange_bucket = DeviceGradientSums::kBucket;
  const Shares* shares = nullptr;  // those of the optimizer's state, if it is divided: then through the hosts, too
};

class StepRunner {
 public:
  StepRunner(const LogitsFn& logits, const Task& task, AdamWOptimizer& optimizer, const StepOptions& options);
  ~StepRunner();
  StepRunner(const StepRunner&) = delete;
  StepRunner& operator=(const StepRunner&) = delete;

  /// Starts step `step` (from 0) on these examples; with a learning rate it ends with an update. The share of a batch
  /// that is captured is that of every batch of its shape.
  void start(const ExampleStore& store, const StepBatch& chosen, std::int64_t step,
             std::optional<double> learning_rate);
  /// Bytes of device memory, including that of others, while steps of `batch_size` examples of `length` tokens run. The
  /// prediction runs small batches, which change nothing except that gradients are dropped. It is an upper bound for
  /// tensors; a device also loses memory in gaps between blocks of different sizes. Examples have labels and segments
  /// like those of `split`.
  std::size_t predict_peak_memory(const Dataset& split, const BatchForm& form, std::int64_t batch_size,
                                  std::int64_t length);
  /// Runs steps again that were started on these examples, the first of them step `first`: those of one accumulation
  /// group, up to one that was not finite. It runs the same work without graphs and without the update, and looks at
  /// every tensor. The parameters must be as those steps found them, as they are after an optimizer has stopped. No step
  /// may follow.
  Rerun run_again(const ExampleStore& store, std::int64_t first, std::span<const StepBatch> group);
  /// The results that have arrived, in order; if `wait`, waits for the results of all started steps.
  std::vector<StepResult> take(bool wait);
  /// Whether some batches of an accumulation group are done and its update is not.
  bool group_open() const { return !group_begins_; }
  /// Continues inside a group, whose gradients the parameters hold, or before one.
  void set_group_open(bool open) { group_begins_ = !open; }
  /// Graphs captured so far.
  std::int64_t graphs() const { return shapes_.graphs(); }

 private:
  struct Pending;

  struct Update {
    const StepBatch& batch;
    bool ends;  // the optimizer's step
    // On the device, read by captured work in place of those of the batch; or undefined.
    Tensor share_at = {};  // float32 [1]
    Tensor part_at = {};   // float64 [1]
  };
  Tensor backward(const LabelledBatch& batch, const ForwardPass& pass, double share,
                  const std::function<void()>& after_step = {}, const Tensor& share_at = {});
  template <class Sums>
  Tensor shared_backward(Sums& sums, const LabelledBatch& batch, const ForwardPass& pass, const Update& update);
  bool capturable(const ExampleStore& store, const StepBatch& chosen);
  void work(const ExampleStore& store, const LabelledBatch& batch, const ForwardPass& pass, const Update& update);
  std::size_t peak_of_batch(const ExampleStore& store, std::size_t size);

  LogitsFn logits_;
  const Task& task_;
  AdamWOptimizer& optimizer_;
  StepOptions options_;
  bool group_begins_ = true;          // the next step is the first since the last update
  Tensor step_at_;                    // int32 [1]: the dropout step, read by captured work
  Tensor share_at_, part_at_;         // of the batch of a shared run, read by captured work (Update)
  Tensor loss_;                       // of the latest step
  std::optional<GradientSums> sums_;  // none: no other process, or on devices
  std::optional<DeviceGradientSums> device_sums_;
  std::optional<std::int64_t> captured_before_;  // sequences before the batch in every captured step of a shared run
  CapturedShapes shapes_;
  std::deque<Pending> pending_;
};

}  // namespace attune
