#include "kernels/adamw.h"

#include <vector>

#include "engine/ops/adamw.h"
#include "engine/ops/run_on.h"

namespace attune::ops {

Tensor adamw_scalars(double learning_rate, const AdamWSpec& spec, std::int64_t t) {
  const kernels::AdamWScalars s = kernels::adamw_scalars(learning_rate, spec.beta1, spec.beta2, t);
  return Tensor::from(std::vector<double>{s.learning_rate, s.step_size, s.root_correction2}, {3});
}

void adamw(std::span<const AdamWTensor> tensors, const Tensor& scalars, const Tensor& grad_scale,
           const AdamWSpec& spec) {
  const Arguments args("adamw", "scalars", scalars);
  args.require("scalars", scalars, {3}, DType::kFloat64);
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
    raw.push_back({.param = param.raw(),
                   .grad = t.grad.raw(),
                   .m = t.m.tensor.raw(),
                   .v = t.v.tensor.raw(),
                   .n = param.numel(),
                   .dtype = dtype,
                   .master = dtype != wide ? master.raw() : nullptr});
  }
  run_on(scalars.device(), [&](const auto& context) {
    kernels::adamw(context, {.tensors = raw,
                             .scalars = static_cast<const kernels::AdamWScalars*>(scalars.raw()),
                             .grad_scale = static_cast<const double*>(grad_scale.raw()),
                             .beta1 = spec.beta1,
                             .beta2 = spec.beta2,
                             .eps = spec.eps,
                             .weight_decay = spec.weight_decay});
  });
}

}  // namespace attune::ops
