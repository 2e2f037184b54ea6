#include "engine/train/step_runner.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/math.h"
#include "engine/autograd/tape.h"
#include "engine/tensor/captured_work.h"
#include "engine/tensor/context.h"
#include "engine/tensor/host_copy.h"
#include "engine/train/divided.h"

namespace attune {
namespace {

// Maximum of outstanding results while a device works: enough for the host to run ahead, few enough for the progress it
// shows.
constexpr std::size_t kMaxPendingSteps = 4;

}  // namespace

struct StepRunner::Pending {
  std::int64_t step;
  HostCopy loss;
  std::optional<HostCopy> norm;  // of a step with an update

  StepResult result() { return {step, loss.get().item(), norm ? std::optional(norm->get().item()) : std::nullopt}; }
};

StepRunner::StepRunner(const LogitsFn& logits, const Task& task, AdamWOptimizer& optimizer, const StepOptions& options)
    : logits_(logits), task_(task), optimizer_(optimizer), options_(options) {
  if (options.processes == nullptr) return;
  if (options.devices != nullptr && options.shares == nullptr)
    device_sums_.emplace(*options.devices, optimizer.parameters(), options.exchange_bucket);
  else
    sums_.emplace(*options.processes, optimizer.parameters(), options.shares);
}

StepRunner::~StepRunner() {
  optimizer_.zero_grad();  // gradients may lie in memory of captured work
}

// Adds the gradients of a batch to those of the parameters; its loss.
Tensor StepRunner::backward(const LabelledBatch& batch, const ForwardPass& pass, double share,
                            const std::function<void()>& after_step, const Tensor& share_at) {
  Tape tape;
  Variable loss;
  {
    const Tape::Recording recording(tape);
    loss = task_.loss(logits_(batch.tokens, pass), batch.labels);
  }
  if (share_at.defined())
    tape.backward({loss}, {share_at.view(loss.shape())}, after_step);
  else
    tape.backward(loss, share, after_step);
  return loss.value();
}

// The same for a batch that is shared; the loss is that of the whole batch. If the update follows, the gradients are
// those of all processes.
template <class Sums>
Tensor StepRunner::shared_backward(Sums& sums, const LabelledBatch& batch, const ForwardPass& pass,
                                   const Update& update) {
  const auto& [examples, share, part, before] = update.batch;
  if (!update.ends) return sums.sum(backward(batch, pass, share), part);
  sums.begin();
  const Tensor loss = backward(
      batch, pass, share, [&] { sums.look(); }, update.share_at);
  sums.finish();
  if constexpr (std::is_same_v<Sums, DeviceGradientSums>)
    if (update.part_at.defined()) return sums.sum(loss, update.part_at);
  return sums.sum(loss, part);
}

void StepRunner::work(const ExampleStore& store, const LabelledBatch& batch, const ForwardPass& pass,
                      const Update& update) {
  if (group_begins_) optimizer_.zero_grad();
  store.gather(batch, update.batch.before);
  const Tensor loss = device_sums_ ? shared_backward(*device_sums_, batch, pass, update)
                      : sums_      ? shared_backward(*sums_, batch, pass, update)
                                   : backward(batch, pass, update.batch.share);
  if (!loss_.defined()) loss_ = Tensor::empty(loss.shape(), loss.dtype(), loss.device());
  loss_.copy_from(loss);
  optimizer_.stop_at(loss_);
  if (!update.ends) return;
  optimizer_.update();
  if (options_.shares != nullptr) share_values(*options_.shares, optimizer_.parameters());
  if (options_.average != nullptr) options_.average->update();
}

// Whether a graph may have the exchange of this batch. NCCL wants an exchange captured on all ranks or on none, and graphs
// launched together that were captured together (its manual, "Using NCCL with CUDA Graphs"): only steps are captured in
// which the parts of all ranks have one shape. A graph also contains the place of the part in the batch: only steps are
// captured whose part has the place that it had when this was asked first.
bool StepRunner::capturable(const ExampleStore& store, const StepBatch& chosen) {
  if (sums_) return false;
  if (!device_sums_) return true;
  if (!device_sums_->capturable()) return false;
  if (!captured_before_) captured_before_ = chosen.before;
  const auto& [count, sequences, rows, padded_length, max_length] = store.shape_of(chosen.examples);
  std::string mine = str_cat(count, " ", sequences, " ", rows, " ", padded_length, " ", max_length);
  if (chosen.before != *captured_before_) mine += " elsewhere";
  const std::vector<std::string> all = options_.processes->gather(mine);
  return std::ranges::all_of(all, [&](const std::string& other) { return other == mine; }) &&
         chosen.before == *captured_before_;
}

void StepRunner::start(const ExampleStore& store, const StepBatch& chosen, std::int64_t step,
                       std::optional<double> learning_rate) {
  if (learning_rate && options_.average != nullptr) options_.average->begin_step(optimizer_.steps());
  if (learning_rate) optimizer_.begin_step(*learning_rate);
  ForwardPass pass{.training = true, .seed = options_.seed, .step = narrow<std::uint32_t>(step), .step_at = {}};
  const bool graphs = options_.graphs && store.device() == Device::kCuda && options_.accumulation_steps == 1 &&
                      learning_rate && optimizer_.capturable() && capturable(store, chosen);
  if (graphs && shapes_.warm()) {
    if (!step_at_.defined()) step_at_ = Tensor::empty({1}, DType::kInt32, store.device());
    step_at_.copy_from(Tensor::from(std::vector<std::int32_t>{narrow<std::int32_t>(step)}, {1}));
    pass.step_at = step_at_;
  }
  Update update{.batch = chosen, .ends = learning_rate.has_value()};
  if (graphs && device_sums_) {
    if (!share_at_.defined()) share_at_ = Tensor::empty({1}, DType::kFloat32, store.device());
    if (!part_at_.defined()) part_at_ = Tensor::empty({1}, DType::kFloat64, store.device());
    share_at_.copy_from(Tensor::from(std::vector<float>{static_cast<float>(chosen.share)}, {1}));
    part_at_.copy_from(Tensor::from(std::vector<double>{chosen.part}, {1}));
    update.share_at = share_at_, update.part_at = part_at_;
  }
  shapes_.run(store, chosen.examples, graphs, [&](const LabelledBatch& batch) -> std::vector<Tensor> {
    work(store, batch, pass, update);
    return {};
  });
  group_begins_ = learning_rate.has_value();
  pending_.push_back(
      {step, HostCopy(loss_), learning_rate ? std::optional<HostCopy>(HostCopy(optimizer_.norm())) : std::nullopt});
}

Rerun StepRunner::run_again(const ExampleStore& store, std::int64_t first, std::span<const StepBatch> group) {
  optimizer_.zero_grad();
  shapes_ = CapturedShapes();  // the memory of graphs is free for this work
  pending_.clear();
  FiniteWatch watch;
  Rerun out;
  for (std::size_t i = 0; i < group.size() && !watch.found(); ++i) {
    const std::int64_t step = first + static_cast<std::int64_t>(i);
    const LabelledBatch batch = store.batch(group[i].examples, group[i].before);
    const ForwardPass pass{.training = true, .seed = options_.seed, .step = narrow<std::uint32_t>(step), .step_at = {}};
    out.loss = backward(batch, pass, group[i].share).to(Device::kCpu).item();
  }
  out.found = watch.found();
  return out;
}

std::size_t StepRunner::peak_of_batch(const ExampleStore& store, std::size_t size) {
  std::vector<std::int32_t> examples(size);
  std::iota(examples.begin(), examples.end(), 0);
  reset_cuda_memory_peak();
  work(store, store.batch(examples), {.training = true, .seed = options_.seed, .step = 0, .step_at = {}},
       {.batch = {.examples = examples}, .ends = false});
  return cuda_memory().peak;
}

std::size_t StepRunner::predict_peak_memory(const Dataset& split, const BatchForm& form, std::int64_t batch_size,
                                            std::int64_t length) {
  // The gradients exist before and stay, so that the peak grows by the same number of bytes with every example. The
  // batches are large enough that the growth exceeds the part that does not depend on them.
  const auto largest = static_cast<std::size_t>(std::min<std::int64_t>(batch_size, 4)), half = largest / 2;
  const std::vector<std::int32_t> example(static_cast<std::size_t>(length), form.pad_id);
  const Shape label_shape = split.labels.shape().with_rows(static_cast<std::int64_t>(largest));
  Dataset examples =
      Dataset::from("invented", std::vector(largest, example), Tensor::zeros(label_shape, split.labels.dtype()));
  if (split.type_ids.defined()) examples.type_ids = Tensor::zeros(examples.ids.shape(), DType::kInt32);
  const ExampleStore store(examples, form, Device::kCuda);
  group_begins_ = true;
  peak_of_batch(store, 1);
  group_begins_ = false;
  std::size_t peak = peak_of_batch(store, largest);
  if (batch_size > static_cast<std::int64_t>(largest)) {
    const std::size_t smaller = std::min(peak_of_batch(store, half), peak);
    peak += (peak - smaller) / (largest - half) * (static_cast<std::size_t>(batch_size) - largest);
  }
  const std::size_t others = cuda_memory().others;
  shapes_.set_warm();
  group_begins_ = true;
  optimizer_.zero_grad();
  release_cuda_memory();
  return peak + others;
}

std::vector<StepResult> StepRunner::take(bool wait) {
  const bool ahead = loss_.defined() && loss_.device() == Device::kCuda && !wait;
  std::vector<StepResult> out;
  while (pending_.size() > (ahead ? kMaxPendingSteps : 0)) {
    out.push_back(pending_.front().result());
    pending_.pop_front();
  }
  return out;
}

}  // namespace attune
