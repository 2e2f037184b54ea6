#include "engine/optim/adamw.h"

#include <algorithm>
#include <map>
#include <utility>

#include "engine/ops/grad_norm.h"

namespace attune {

AdamWOptimizer::AdamWOptimizer(std::vector<NamedParameter> parameters, const AdamWOptions& options)
    : options_(options) {
  CHECK(!parameters.empty(), "optimizer: no parameter is trainable");
  for (NamedParameter& named : parameters) {
    const Tensor& value = named.parameter.value();
    const DType dtype = statistics_dtype(value.dtype());
    const Shape shape = value.shape();
    const Device device = value.device();
    slots_.push_back({std::move(named), Tensor::zeros(shape, dtype, device), Tensor::zeros(shape, dtype, device)});
  }
  scalars_ = Tensor::empty({3}, DType::kFloat64, device());
  if (options.max_grad_norm <= 0 && !options.measure_norm) return;
  norm_ = Tensor::empty({1}, DType::kFloat64, device());
  clip_ = Tensor::empty({1}, DType::kFloat64, device());
}

void AdamWOptimizer::begin_step(double learning_rate) {
  learning_rate_ = learning_rate;
  ++steps_;
  scalars_.copy_from(ops::adamw_scalars(learning_rate, spec(), steps_));
}

bool AdamWOptimizer::capturable() const {
  return std::ranges::all_of(
      slots_, [](const Slot& slot) { return slot.missed == 0 && slot.named.parameter.grad().tensor().defined(); });
}

void AdamWOptimizer::measure() {
  std::vector<Tensor> gradients;
  for (const Slot& slot : slots_)
    if (const Tensor& grad = slot.named.parameter.grad().tensor(); grad.defined()) gradients.push_back(grad);
  ops::grad_norm(InPlace(norm_), gradients);
  ops::clip_scale(InPlace(clip_), norm_, options_.max_grad_norm);
}

void AdamWOptimizer::update() {
  if (norm_.defined()) measure();
  std::map<std::int64_t, std::vector<ops::AdamWTensor>> by_missed;  // almost always one entry
  for (Slot& slot : slots_) {
    const Parameter& parameter = slot.named.parameter;
    const Tensor &grad = parameter.grad().tensor(), &value = parameter.value();
    if (!grad.defined()) {
      ++slot.missed;
      continue;
    }
    by_missed[slot.missed].push_back({.param = InPlace(value),
                                      .grad = grad,
                                      .m = InPlace(slot.m),
                                      .v = InPlace(slot.v),
                                      .master = InPlace(parameter.master())});
  }
  for (const auto& [missed, tensors] : by_missed) {
    if (missed == 0) {
      ops::adamw(tensors, scalars_, clip_, spec());
    } else {
      const Tensor own = ops::adamw_scalars(learning_rate_, spec(), steps_ - missed).to(device());
      ops::adamw(tensors, own, clip_, spec());
    }
  }
}

void AdamWOptimizer::zero_grad() const {
  for (const Slot& slot : slots_) slot.named.parameter.grad().clear();
}

AdamWState AdamWOptimizer::state() const {
  AdamWState out{.steps = steps_, .moments = {}};
  for (const Slot& slot : slots_) out.moments.push_back({slot.named.name, slot.m, slot.v, slot.missed});
  return out;
}

void AdamWOptimizer::restore(const AdamWState& state) {
  CHECK(state.moments.size() == slots_.size(), "the optimizer's state is of ", state.moments.size(),
        " parameters, but ", slots_.size(), " are trained");
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    const AdamWState::Moments& from = state.moments[i];
    CHECK(from.name == slot.named.name, "the optimizer's state is of the parameter ", from.name, ", where ",
          slot.named.name, " is trained");
    slot.m.copy_from(from.m);
    slot.v.copy_from(from.v);
    slot.missed = from.missed;
  }
  steps_ = state.steps;
}

}  // namespace attune
