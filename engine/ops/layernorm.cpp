#include "kernels/layernorm.h"

#include "engine/ops/layernorm.h"
#include "engine/ops/run_on.h"

namespace attune::ops {

LayerNormOut layernorm_forward(const Tensor& x, const Tensor& residual, const Tensor& weight, const Tensor& bias,
                               double eps, const DropoutSpec& dropout) {
  const std::int64_t rows = rows_of(x), channels = x.shape()[-1];
  check_tensor(weight, {channels}, x.dtype(), "layernorm", "weight");
  check_optional(bias, {channels}, x.dtype(), "layernorm", "bias");
  check_optional(residual, x.shape(), x.dtype(), "layernorm", "residual");
  CHECK(residual.defined() || dropout.p == 0, "layernorm: dropout needs a residual");
  LayerNormOut out;
  out.y = Tensor::empty(x.shape(), x.dtype(), x.device());
  out.sum = residual.defined() ? Tensor::empty(x.shape(), x.dtype(), x.device()) : x;
  out.mean = Tensor::empty({rows}, x.dtype(), x.device());
  out.rstd = Tensor::empty({rows}, x.dtype(), x.device());
  run_on(x.device(), [&](const auto& context) {
    attune::layernorm_forward(context, {.y = out.y.raw(),
                                        .sum = residual.defined() ? out.sum.raw() : nullptr,
                                        .mean = out.mean.raw(),
                                        .rstd = out.rstd.raw(),
                                        .x = x.raw(),
                                        .residual = residual.raw(),
                                        .weight = weight.raw(),
                                        .bias = bias.raw(),
                                        .rows = rows,
                                        .channels = channels,
                                        .eps = eps,
                                        .dropout = dropout.mask(),
                                        .dtype = x.dtype()});
  });
  return out;
}

void layernorm_backward(const LayerNormGrads& grads, const Tensor& dy, const Tensor& dsum, const LayerNormOut& saved,
                        const Tensor& weight, const DropoutSpec& dropout) {
  check_optional(dsum, dy.shape(), dy.dtype(), "layernorm backward", "dsum");
  run_on(dy.device(), [&](const auto& context) {
    attune::layernorm_backward(context, {.dx = grads.dx.out(),
                                         .dresidual = grads.dresidual.out(),
                                         .dweight = grads.dweight.out(),
                                         .dbias = grads.dbias.out(),
                                         .dy = dy.raw(),
                                         .dsum = dsum.raw(),
                                         .sum = saved.sum.raw(),
                                         .mean = saved.mean.raw(),
                                         .rstd = saved.rstd.raw(),
                                         .weight = weight.raw(),
                                         .rows = rows_of(dy),
                                         .channels = dy.shape()[-1],
                                         .dropout = dropout.mask(),
                                         .dtype = dy.dtype()});
  });
}

}  // namespace attune::ops
