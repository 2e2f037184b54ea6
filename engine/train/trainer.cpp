#include "engine/train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "base/math.h"
#include "engine/autograd/functions.h"

namespace attune {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Names the first parameter whose gradient is not finite.
std::string first_bad_gradient(const Module& model) {
  for (const auto& [name, parameter] : parameters_of(model, true)) {
    const Tensor& grad = parameter.grad().tensor();
    if (!grad.defined()) continue;
    const Tensor host = grad.to(Device::kCpu);
    const bool finite = dispatch_float(host.dtype(), "gradient", [&]<class T>() {
      return std::ranges::all_of(host.values<T>(), [](T x) { return std::isfinite(x); });
    });
    if (!finite) return "the gradient of " + name + " is not finite";
  }
  return "all gradients are finite";
}

}  // namespace

Trainer::Trainer(const Module& model, LogitsFn logits, const TrainData& data, const TrainOptions& options)
    : model_(model),
      logits_(std::move(logits)),
      data_(data),
      options_(options),
      generator_(options.seed),
      optimizer_(parameters_of(model, true), options.adamw) {
  CHECK(options.batch_size >= 1, "the batch size must be at least 1, not ", options.batch_size);
  CHECK(data.train.size() >= options.batch_size, data.train.name, ": ", data.train.size(),
        " training examples do not fill one batch of ", options.batch_size);
  CHECK(options.accumulation_steps >= 1, "the number of accumulation steps must be at least 1, not ",
        options.accumulation_steps);
  // Every epoch ends with an optimizer step, a full group of batches or not.
  const std::int64_t epoch_batches = data.train.size() / options.batch_size;
  options_.schedule.total_steps = total_steps() / epoch_batches * ceil_div(epoch_batches, options.accumulation_steps) +
                                  ceil_div(total_steps() % epoch_batches, options.accumulation_steps);
}

std::int64_t Trainer::total_steps() const {
  const std::int64_t all = options_.epochs * (data_.train.size() / options_.batch_size);
  return options_.max_steps > 0 ? std::min(all, options_.max_steps) : all;
}

LoaderPass Trainer::pass(const Dataset& dataset, bool training_split) {
  return LoaderPass(generator_, dataset.size(),
                    {.batch_size = options_.batch_size, .shuffle = training_split, .drop_last = training_split});
}

double Trainer::forward_backward(const Batch& batch, std::int64_t step) {
  Tape tape;
  Variable loss;
  {
    const Tape::Recording recording(tape);
    const Variable logits =
        logits_(batch, {.training = true, .seed = options_.seed, .step = static_cast<std::uint32_t>(step)});
    const Shape label_shape{static_cast<std::int64_t>(batch.labels.size())};
    loss = cross_entropy(logits, Tensor::from(batch.labels, label_shape).to(logits.value().device()));
  }
  const double value = loss.value().to(Device::kCpu).item();
  tape.backward(loss, 1.0 / static_cast<double>(options_.accumulation_steps));
  CHECK(std::isfinite(value), "training stopped at step ", step, ": the loss is ", value, "; ",
        first_bad_gradient(model_));
  return value;
}

std::optional<double> Trainer::apply(double learning_rate) {
  optimizer_.step(learning_rate);
  std::optional<double> norm;
  if (optimizer_.norm().defined()) {
    norm = optimizer_.norm().to(Device::kCpu).item();
    CHECK(std::isfinite(*norm), "training stopped at optimizer step ", optimizer_steps_, ": ",
          first_bad_gradient(model_));
  }
  optimizer_.zero_grad();
  ++optimizer_steps_;
  return norm;
}

bool Trainer::run(TrainObserver& observer, const std::function<bool()>& stop) {
  observer.begin(total_steps());
  std::int64_t step = 0;
  const std::int64_t last_step = total_steps();
  for (std::int64_t epoch = 1; epoch <= options_.epochs && step < last_step; ++epoch) {
    const LoaderPass epoch_pass = pass(data_.train, true);
    for (std::int64_t i = 0; i < epoch_pass.batches() && step < last_step; ++i, ++step) {
      const auto begin = Clock::now();
      const Batch batch = data_.collator(data_.train, epoch_pass.batch(i));
      const double loss = forward_backward(batch, step);
      const double learning_rate = options_.schedule.at(optimizer_steps_);
      std::optional<double> norm;
      if ((i + 1) % options_.accumulation_steps == 0 || i + 1 == epoch_pass.batches()) norm = apply(learning_rate);
      observer.step(
          {step, epoch, loss, learning_rate, norm, static_cast<double>(batch.ids.size()) / seconds_since(begin)});
      if (options_.eval_every > 0 && step % options_.eval_every == 0) observer.evaluation(evaluate_losses(step, epoch));
      if (stop()) return false;
    }
    if (step % epoch_pass.batches() == 0) observer.epoch(evaluate_accuracies(epoch));
  }
  return true;
}

EvaluationRecord Trainer::evaluate_losses(std::int64_t step, std::int64_t epoch) {
  const Evaluation train =
      evaluate(logits_, data_.train, pass(data_.train, true), data_.collator, options_.eval_batches);
  const Evaluation validation =
      evaluate(logits_, data_.validation, pass(data_.validation, false), data_.collator, options_.eval_batches);
  return {step, epoch, train.loss, validation.loss};
}

EpochRecord Trainer::evaluate_accuracies(std::int64_t epoch) {
  const Evaluation train =
      evaluate(logits_, data_.train, pass(data_.train, true), data_.collator, options_.eval_batches);
  const Evaluation validation =
      evaluate(logits_, data_.validation, pass(data_.validation, false), data_.collator, options_.eval_batches);
  return {epoch, train.accuracy(), validation.accuracy()};
}

Evaluation Trainer::evaluate_all(const Dataset& dataset, bool training_split,
                                 const std::function<bool(std::int64_t, std::int64_t)>& progress) {
  return evaluate(logits_, dataset, pass(dataset, training_split), data_.collator, -1, progress);
}

}  // namespace attune
