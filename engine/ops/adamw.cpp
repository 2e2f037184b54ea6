#include "kernels/adamw.h"

#include <vector>

#include "engine/ops/adamw.h"
#include "engine/ops/run_on.h"

namespace attune::ops {

Tensor adamw_scalars(std::span<const AdamWRates> groups, const AdamWSpec& spec, std::int64_t t) {
  std::vector<double> out;
  for (const AdamWRates& group : groups) {
    const auto [decay, step_size, root_correction2] =
        kernels::adamw_scalars(group.learning_rate, group.weight_decay, spec.beta1, spec.beta2, t);
    out.insert(out.end(), {decay, step_size, root_correction2});
  }
  return Tensor::from(out, {std::ssize(groups), 3});
}

void adamw(std::span<const AdamWTensor> tensors, const Tensor& scalars, const Tensor& grad_scale,
           const AdamWSpec& spec) {
  const Arguments args("adamw", "scalars", scalars);
  args.require_rank("scalars", scalars, 2);
  const std::int64_t groups = scalars.shape()[0];
  args.require("scalars", scalars, {groups, 3}, DType::kFloat64);
  args.allow("grad_scale", grad_scale, {1}, DType::kFloat64);
  std::vector<kernels::AdamWTensor> raw;
  for (const AdamWTensor& t : tensors) {
    const Tensor &param = t.param.tensor, &master = t.master.tensor;
    const Shape& shape = param.shape();
    const DType dtype = param.dtype(), wide = statistics_dtype(dtype);
    args.require("param", param, shape, dtype);
    args.require("grad", t.grad, shape, dtype);
    args.require("m", t.m.tensor, shape, wide);
    args.require("v", t.v.tensor, shape, wide);
    if (dtype != wide) args.require("master", master, shape, wide);
    CHECK(t.group >= 0 && t.group < groups, "adamw: a parameter of group ", t.group, ", but scalars of ", groups);
    raw.push_back({.param = param.raw(),
                   .grad = t.grad.raw(),
                   .m = t.m.tensor.raw(),
                   .v = t.v.tensor.raw(),
                   .n = param.numel(),
                   .dtype = dtype,
                   .master = dtype != wide ? master.raw() : nullptr,
                   .group = static_cast<std::int32_t>(t.group)});
  }
  run_on(scalars.device(), [&](const auto& context) {
    kernels::adamw(context, {.tensors = raw,
                             .scalars = static_cast<const kernels::AdamWScalars*>(scalars.raw()),
                             .grad_scale = static_cast<const double*>(grad_scale.raw()),
                             .beta1 = spec.beta1,
                             .beta2 = spec.beta2,
                             .eps = spec.eps});
  });
}

}  // namespace attune::ops
