#include "kernels/layernorm.h"

#include "engine/ops/layernorm.h"
#include "engine/ops/run_on.h"

namespace attune::ops {

LayerNormOut layernorm_forward(const Tensor& x, const Tensor& residual, const Tensor& weight, const Tensor& bias,
                               const LayerNormSpec& spec) {
  const std::int64_t rows = rows_of(x), channels = x.shape()[-1];
  const DType wide = statistics_dtype(spec.dtype);
  const auto make = [&](const Shape& shape, DType dtype) { return Tensor::empty(shape, dtype, x.device()); };
  check_tensor(x, x.shape(), residual.defined() ? spec.dtype : wide, "layernorm", "x");
  check_tensor(weight, {channels}, wide, "layernorm", "weight");
  check_optional(bias, {channels}, wide, "layernorm", "bias");
  check_optional(residual, x.shape(), wide, "layernorm", "residual");
  CHECK(residual.defined() || spec.dropout.p == 0, "layernorm: dropout needs a residual");
  LayerNormOut out;
  out.y = make(x.shape(), spec.dtype);
  if (spec.stream) out.stream = wide == spec.dtype ? out.y : make(x.shape(), wide);
  out.sum = residual.defined() ? make(x.shape(), wide) : x;
  out.mean = make({rows}, wide);
  out.rstd = make({rows}, wide);
  run_on(x.device(), [&](const auto& context) {
    kernels::layernorm_forward(context, {.y = out.y.raw(),
                                         .stream = wide == spec.dtype ? nullptr : out.stream.raw(),
                                         .sum = residual.defined() ? out.sum.raw() : nullptr,
                                         .mean = out.mean.raw(),
                                         .rstd = out.rstd.raw(),
                                         .x = x.raw(),
                                         .residual = residual.raw(),
                                         .weight = weight.raw(),
                                         .bias = bias.raw(),
                                         .rows = rows,
                                         .channels = channels,
                                         .eps = spec.eps,
                                         .dropout = spec.dropout.mask(),
                                         .dtype = spec.dtype});
  });
  return out;
}

void layernorm_backward(const LayerNormGrads& grads, const LayerNormUpstream& upstream, const LayerNormOut& saved,
                        const Tensor& weight, bool residual, const LayerNormSpec& spec) {
  const Tensor& sum = saved.sum;
  CHECK(upstream.dy.defined() || upstream.dstream.defined(), "layernorm backward: no gradient reached the output");
  check_optional(upstream.dy, sum.shape(), spec.dtype, "layernorm backward", "dy");
  check_optional(upstream.dstream, sum.shape(), sum.dtype(), "layernorm backward", "dstream");
  check_optional(upstream.dsum, sum.shape(), sum.dtype(), "layernorm backward", "dsum");
  run_on(sum.device(), [&](const auto& context) {
    kernels::layernorm_backward(context, {.dx = grads.dx.out(),
                                          .dresidual = grads.dresidual.out(),
                                          .dweight = grads.dweight.out(),
                                          .dbias = grads.dbias.out(),
                                          .dy = upstream.dy.raw(),
                                          .dstream = upstream.dstream.raw(),
                                          .dsum = upstream.dsum.raw(),
                                          .sum = sum.raw(),
                                          .mean = saved.mean.raw(),
                                          .rstd = saved.rstd.raw(),
                                          .weight = weight.raw(),
                                          .residual = residual,
                                          .rows = rows_of(sum),
                                          .channels = sum.shape()[-1],
                                          .dropout = spec.dropout.mask(),
                                          .dtype = spec.dtype});
  });
}

}  // namespace attune::ops
