#include "engine/train/best_model.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "base/printable.h"

namespace attune {

BestModel::BestModel(const Module& model, const Task& task, std::string measure, std::int64_t patience)
    : model_(model),
      measure_(std::move(measure)),
      smaller_is_better_(smaller_is_better(task, measure_)),
      patience_(patience) {
  const std::vector<std::string> known = qualities(task);
  CHECK(std::ranges::find(known, measure_) != known.end(), "the task has no measure '", printable(measure_),
        "' to choose the best model by");
  CHECK(patience >= 0, "the patience must be at least 0, not ", patience);
}

double BestModel::value_in(const Evaluation& evaluation) const {
  return measure_ == "loss" ? evaluation.loss : evaluation.measure(measure_);
}

bool BestModel::better(double value, const std::optional<BestValue>& than) const {
  if (std::isnan(value)) return false;
  return !than || (smaller_is_better_ ? value < than->value : value > than->value);
}

bool BestModel::offer(std::int64_t step, double value) {
  if (std::isnan(value)) return false;  // an undefined value says nothing about the model
  const bool is_better = better(value, best_);
  evaluations_since_ = is_better ? 0 : evaluations_since_ + 1;
  if (!is_better) return false;
  best_ = {step, value};
  weights_.clear();
  for (const auto& [name, parameter] : parameters_of(model_, true))
    weights_.push_back(parameter.exact().to(Device::kCpu).clone());
  return true;
}

void BestModel::offer_last(std::int64_t step, double value) {
  if (better(value, best_)) last_ = {step, value};
}

void BestModel::use() {
  if (last_ || !best_ || in_use_) return;
  in_use_ = true;
  auto weights = weights_.begin();
  for (const auto& [name, parameter] : parameters_of(model_, true)) {
    const Tensor before = parameter.exact().to(Device::kCpu).clone();
    parameter.set_exact(*weights);
    *weights++ = before;
  }
}

void BestModel::add_to(RunState& state) const {
  state.best_model = {.measure = measure_, .best = best_, .evaluations_since = evaluations_since_};
  if (!best_) return;
  auto weights = weights_.begin();
  auto held = state.parameters.begin();
  for (const auto& [name, parameter] : parameters_of(model_)) {
    if (parameter.requires_grad()) {
      held->best = *weights++;
      if (in_use_) std::swap(held->best, held->value);
    }
    ++held;
  }
}

void BestModel::restore(const RunState& state) {
  CHECK(state.best_model && state.best_model->measure == measure_, "the checkpoint keeps the best model by ",
        state.best_model ? printable(state.best_model->measure) : "nothing", ", but this run by ", measure_);
  std::vector<Tensor> weights;
  auto held = state.parameters.begin();
  for (const auto& [name, parameter] : parameters_of(model_)) {
    const Tensor &from = held++->best, &exact = parameter.exact();
    if (!state.best_model->best || !parameter.requires_grad()) {
      CHECK(!from.defined(), "the checkpoint has best weights of ", name, ", which cannot be");
      continue;
    }
    CHECK(from.defined() && from.shape() == exact.shape() && from.dtype() == exact.dtype(),
          "the checkpoint has no best weights of ", name, " that are ", exact.dtype(), " ", exact.shape());
    weights.push_back(from);
  }
  best_ = state.best_model->best;
  evaluations_since_ = state.best_model->evaluations_since;
  weights_ = std::move(weights);
}

}  // namespace attune
