#include "engine/optim/adamw.h"

#include <map>
#include <utility>

#include "engine/ops/elementwise.h"
#include "engine/ops/run_on.h"

namespace attune {

AdamWOptimizer::AdamWOptimizer(std::vector<NamedParameter> parameters, const AdamWOptions& options)
    : options_(options) {
  CHECK(!parameters.empty(), "optimizer: no parameter is trainable");
  for (NamedParameter& named : parameters) {
    const Tensor& value = named.parameter.value();
    Slot slot{std::move(named), Tensor::empty(value.shape(), value.dtype(), value.device()),
              Tensor::empty(value.shape(), value.dtype(), value.device())};
    ops::fill(slot.m, 0);
    ops::fill(slot.v, 0);
    slots_.push_back(std::move(slot));
  }
}

double AdamWOptimizer::gradient_norm() const {
  std::vector<GradNormTensor> tensors;
  for (const Slot& slot : slots_)
    if (const Tensor& grad = slot.named.parameter.grad().tensor(); grad.defined())
      tensors.push_back({grad.raw(), grad.numel()});
  const Tensor& any = slots_.front().named.parameter.value();
  const Tensor norm = Tensor::empty({1}, DType::kFloat64, any.device());
  run_on(any.device(), [&](const auto& context) {
    grad_norm(context, {.norm = static_cast<double*>(norm.raw()), .tensors = tensors, .dtype = any.dtype()});
  });
  return norm.to(Device::kCpu).item();
}

void AdamWOptimizer::step(double learning_rate, double grad_scale) {
  std::map<std::int64_t, std::vector<AdamWTensor>> by_step;  // almost always one entry
  for (Slot& slot : slots_) {
    const Tensor& grad = slot.named.parameter.grad().tensor();
    if (!grad.defined()) continue;
    const Tensor& value = slot.named.parameter.value();
    by_step[++slot.step].push_back({value.raw(), grad.raw(), slot.m.raw(), slot.v.raw(), value.numel()});
  }
  const Tensor& any = slots_.front().named.parameter.value();
  const Tensor scale = Tensor::from(std::vector<double>{grad_scale}, {1}).to(any.device());
  for (const auto& [step, tensors] : by_step) {
    const AdamWScalars s = adamw_scalars(learning_rate, options_.beta1, options_.beta2, step);
    const Tensor scalars =
        Tensor::from(std::vector<double>{s.learning_rate, s.step_size, s.root_correction2}, {3}).to(any.device());
    const AdamW args{.tensors = tensors,
                     .scalars = static_cast<const AdamWScalars*>(scalars.raw()),
                     .grad_scale = static_cast<const double*>(scale.raw()),
                     .beta1 = options_.beta1,
                     .beta2 = options_.beta2,
                     .eps = options_.eps,
                     .weight_decay = options_.weight_decay,
                     .dtype = any.dtype()};
    run_on(any.device(), [&](const auto& context) { adamw(context, args); });
  }
}

void AdamWOptimizer::zero_grad() const {
  for (const Slot& slot : slots_) slot.named.parameter.grad().clear();
}

}  // namespace attune
