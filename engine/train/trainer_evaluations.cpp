// The evaluations of a run: which examples they are of, and what of them the run keeps.
#include <utility>

#include "engine/io/sha256.h"
#include "engine/train/trainer.h"

namespace attune {

LoaderPass Trainer::evaluation_pass(std::int64_t examples, bool training_split) {
  if (!options_.independent_evaluation) return LoaderPass(generator_, examples, loader_options(training_split));
  // The seed depends on the step alone, so that a resumed run evaluates the same examples.
  constexpr std::uint64_t kSeedStride = 0x9E3779B97F4A7C15;  // spreads the seeds of runs; 2^64 / the golden ratio
  TorchGenerator generator(options_.seed * kSeedStride + static_cast<std::uint64_t>(step_));
  return LoaderPass(generator, examples, loader_options(training_split));
}

void Trainer::check_same_weights() {
  Communicator& processes = data_.processes;
  if (processes.alone()) return;
  Sha256 digest;
  for (const auto& [name, parameter] : parameters_of(model_)) {
    const Tensor value = parameter.exact().to(Device::kCpu);
    digest.update({static_cast<const std::byte*>(value.raw()), value.bytes()});
  }
  const std::vector<std::string> digests = processes.gather(digest.hex());
  for (std::size_t r = 1; r < digests.size(); ++r)
    CHECK(digests[r] == digests[0], "after ", step_, " batches the weights of rank ", r,
          " are not those of rank 0: memory or processor may be faulty");
}

bool Trainer::evaluate(TrainObserver& observer, const std::function<bool()>& stop) {
  check_same_weights();
  const auto record = with_average(average_.get(), [&] { return evaluate_losses(stop); });
  if (record) observer.evaluation(*record);
  evaluation_left_ = !record;
  return record.has_value();
}

std::optional<EvaluationRecord> Trainer::evaluate_losses(const std::function<bool()>& stop) {
  const std::string generator = generator_.state();
  const double train = train_evaluator_.loss(evaluation_pass(train_.size(), true), options_.eval_batches);
  const double validation =
      validation_evaluator_.loss(evaluation_pass(validation_.size(), false), options_.eval_batches);
  EvaluationRecord out{step_ - 1, epoch_, train, validation};
  if (best_model_) {
    const std::optional<double> value = evaluate_best_measure(stop);
    if (!value) {
      generator_.restore(generator);
      return std::nullopt;
    }
    out.measure = {best_model_->measure(), *value};
    out.best = best_model_->offer(out.step, *value);
  }
  if (!best_ || validation < best_->validation_loss) best_ = {out.step, validation};
  return out;
}

std::optional<double> Trainer::evaluate_best_measure(const std::function<bool()>& stop) {
  const LoaderPass in_order(std::uint64_t{0}, validation_.size(), loader_options(false));
  bool stopped = false;
  const Evaluation whole = validation_evaluator_.run(in_order, -1, [&](std::int64_t, std::int64_t) {
    stopped = stop();
    return !stopped;
  });
  if (data_.processes.any(stopped)) return std::nullopt;
  return best_model_->value_in(whole);
}

EpochRecord Trainer::evaluate_epoch(std::int64_t epoch) {
  Evaluation train = train_evaluator_.run(evaluation_pass(train_.size(), true), options_.eval_batches);
  Evaluation validation = validation_evaluator_.run(evaluation_pass(validation_.size(), false), options_.eval_batches);
  return {epoch, std::move(train), std::move(validation)};
}

Evaluation Trainer::evaluate_all(const Dataset& dataset, bool training_split,
                                 const std::function<bool(std::int64_t, std::int64_t)>& progress) {
  return with_average(average_.get(), [&] {
    const LoaderPass all = evaluation_pass(dataset.size(), training_split);
    if (&dataset == &data_.train) return train_evaluator_.run(all, -1, progress);
    if (&dataset == &data_.validation) return validation_evaluator_.run(all, -1, progress);
    const ExampleStore examples = store(dataset, evaluation_rows(dataset));
    return Evaluator(logits_, task_, examples, options_.graphs, data_.processes).run(all, -1, progress);
  });
}

}  // namespace attune
