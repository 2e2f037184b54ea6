// The state of a run: taken from the trainer, saved, and restored.
#include <algorithm>
#include <utility>

#include "engine/train/divided.h"
#include "engine/train/trainer.h"

namespace attune {

RunState Trainer::state() const {
  const AdamWState adamw = optimizer_.state();
  RunState out;
  out.step = step_;
  out.epoch = epoch_;
  out.batch = batch_;
  if (epoch_pass_) out.pass_seed = epoch_pass_->seed();
  out.optimizer_steps = optimizer_steps_;
  out.group_open = runner_.group_open();
  out.finished = trained() && !evaluation_left_;
  out.evaluation_left = evaluation_left_;
  out.generator = generator_.state();
  out.best = best_;
  out.seconds = seconds();
  std::size_t trained = 0;
  for (const auto& [name, parameter] : parameters_of(model_)) {
    RunState::Parameter& held = out.parameters.emplace_back();
    held.name = name;
    held.value = parameter.exact();
    if (!parameter.requires_grad()) continue;
    const AdamWState::Moments& moments = adamw.moments[trained];
    held.missed = moments.missed;
    if (shares_) {
      held.divided.push_back(divided_tensor("m." + name, *shares_, trained, moments.m, held.value));
      held.divided.push_back(divided_tensor("v." + name, *shares_, trained, moments.v, held.value));
    } else {
      held.m = moments.m;
      held.v = moments.v;
    }
    ++trained;
    if (out.group_open) held.gradient = parameter.grad().tensor();
  }
  if (best_model_) best_model_->add_to(out);
  if (average_) average_->add_to(out);
  return out;
}

void Trainer::save_state(const std::function<void(const RunState& state)>& save) const {
  save_divided(data_.processes, state(), save);
}

std::size_t Trainer::state_bytes() const {
  return optimizer_.bytes() + (average_ ? average_->bytes() : 0);
}

void Trainer::check_position(const RunState& state) const {
  CHECK(state.rank == 0 && state.world == 1, "the checkpoint is of rank ", state.rank, " of ", state.world,
        ", but checkpoints are of whole runs");
  CHECK(state.step <= total_steps(), "the checkpoint was made after ", state.step, " batches, but this run has only ",
        total_steps());
  const bool fits = plan_.is_place(state.step, state.epoch, state.batch) && (state.pass_seed || state.batch == 0) &&
                    state.optimizer_steps >= 0 && state.optimizer_steps <= state.step;
  CHECK(fits, "the checkpoint was made after ", state.step, " batches, ", state.batch, " of epoch ", state.epoch,
        ", which is not a place in ", plan_.text());
  const bool inside = state.batch % options_.accumulation_steps != 0 && !plan_.ends_epoch(state.step);
  CHECK(state.group_open == inside || state.step == total_steps(), "the run that the checkpoint is of ended inside of ",
        options_.accumulation_steps, " batches of one optimizer step; it cannot be made longer");
}

void Trainer::restore(const RunState& state) {
  check_position(state);
  const std::vector<NamedParameter> parameters = parameters_of(model_);
  CHECK(parameters.size() == state.parameters.size(), "the checkpoint is of a model with ", state.parameters.size(),
        " parameters, this one has ", parameters.size());
  CHECK(best_model_ || !state.best_model, "the checkpoint keeps the best model, and this run does not");
  CHECK(average_ || std::ranges::none_of(state.parameters, [](const auto& held) { return held.average.defined(); }),
        "the checkpoint keeps a moving average, and this run does not");
  if (best_model_) best_model_->restore(state);
  AdamWState adamw{.steps = state.optimizer_steps, .moments = {}};
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto& [name, parameter] = parameters[i];
    const RunState::Parameter& from = state.parameters[i];
    const Tensor& exact = parameter.exact();
    CHECK(from.name == name, "the checkpoint has the parameter ", from.name, " where the model has ", name);
    CHECK(from.value.shape() == exact.shape() && from.value.dtype() == exact.dtype(), "the parameter ", name, " is ",
          from.value.dtype(), " ", from.value.shape(), " in the checkpoint, ", exact.dtype(), " ", exact.shape(),
          " in the model");
    CHECK(from.m.defined() == parameter.requires_grad() && from.v.defined() == parameter.requires_grad(),
          "the parameter ", name, " is ", from.m.defined() ? "trained" : "frozen", " in the checkpoint, and not here");
    parameter.set_exact(from.value);
    parameter.grad().clear();
    if (parameter.requires_grad()) adamw.moments.push_back({name, from.m, from.v, from.missed});
    if (!from.gradient.defined() || data_.processes.rank() != 0) continue;  // it is added to that of the other ranks
    const Tensor& value = parameter.value();
    const Tensor gradient = Tensor::empty(value.shape(), value.dtype(), value.device());
    gradient.copy_from(from.gradient);
    parameter.grad().add(gradient);
  }
  optimizer_.restore(adamw);
  if (average_) average_->restore(state);
  runner_.set_group_open(state.group_open);
  generator_.restore(state.generator);
  step_ = state.step;
  epoch_ = state.epoch;
  batch_ = state.batch;
  if (state.pass_seed)
    epoch_pass_.emplace(*state.pass_seed, train_.size(), training_options());
  else
    epoch_pass_.reset();
  optimizer_steps_ = state.optimizer_steps;
  evaluation_left_ = state.evaluation_left;
  best_ = state.best;
  seconds_before_ = state.seconds;
}

void Trainer::use_result() {
  if (average_ && !average_->in_use()) average_->use();
  if (best_model_) best_model_->use();
}

}  // namespace attune
