#include "engine/optim/adamw.h"

#include <algorithm>
#include <map>
#include <utility>

#include "engine/ops/run_on.h"

namespace attune {
namespace {

Tensor scalars_tensor(const kernels::AdamWScalars& s) {
  return Tensor::from(std::vector<double>{s.learning_rate, s.step_size, s.root_correction2}, {3});
}

}  // namespace

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
  scalars_.copy_from(scalars_tensor(kernels::adamw_scalars(learning_rate, options_.beta1, options_.beta2, steps_)));
}

bool AdamWOptimizer::capturable() const {
  return std::ranges::all_of(
      slots_, [](const Slot& slot) { return slot.missed == 0 && slot.named.parameter.grad().tensor().defined(); });
}

void AdamWOptimizer::measure() {
  std::vector<kernels::GradNormTensor> tensors;
  for (const Slot& slot : slots_)
    if (const Tensor& grad = slot.named.parameter.grad().tensor(); grad.defined())
      tensors.push_back({grad.raw(), grad.numel(), grad.dtype()});
  run_on(device(), [&](const auto& context) {
    auto* norm = static_cast<double*>(norm_.raw());
    kernels::grad_norm(context, {.norm = norm, .tensors = tensors});
    kernels::clip_scale(context, static_cast<double*>(clip_.raw()), norm, options_.max_grad_norm);
  });
}

void AdamWOptimizer::update() {
  if (norm_.defined()) measure();
  std::map<std::int64_t, std::vector<kernels::AdamWTensor>> by_missed;  // almost always one entry
  for (Slot& slot : slots_) {
    const Parameter& parameter = slot.named.parameter;
    const Tensor &grad = parameter.grad().tensor(), &value = parameter.value();
    if (!grad.defined()) {
      ++slot.missed;
      continue;
    }
    by_missed[slot.missed].push_back({.param = value.raw(),
                                      .grad = grad.raw(),
                                      .m = slot.m.raw(),
                                      .v = slot.v.raw(),
                                      .n = value.numel(),
                                      .dtype = value.dtype(),
                                      .master = parameter.master().raw()});
  }
  for (const auto& [missed, tensors] : by_missed) {
    if (missed == 0) {
      apply(tensors, scalars_);
    } else {
      const kernels::AdamWScalars own =
          kernels::adamw_scalars(learning_rate_, options_.beta1, options_.beta2, steps_ - missed);
      apply(tensors, scalars_tensor(own).to(device()));
    }
  }
}

void AdamWOptimizer::apply(const std::vector<kernels::AdamWTensor>& tensors, const Tensor& scalars) {
  run_on(device(), [&](const auto& context) {
    kernels::adamw(context, {.tensors = tensors,
                             .scalars = static_cast<const kernels::AdamWScalars*>(scalars.raw()),
                             .grad_scale = static_cast<const double*>(clip_.raw()),
                             .beta1 = options_.beta1,
                             .beta2 = options_.beta2,
                             .eps = options_.eps,
                             .weight_decay = options_.weight_decay});
  });
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
