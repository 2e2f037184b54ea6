#include "kernels/layernorm.h"

#include "engine/ops/layernorm.h"
#include "engine/ops/run_on.h"

namespace attune::ops {

LayerNormOut layernorm_forward(const Tensor& x, const Tensor& residual, const Tensor& weight, const Tensor& bias,
                               const LayerNormSpec& spec) {
  const Arguments args("layernorm", "x", x);
  const std::int64_t rows = rows_of(x), channels = x.shape()[-1];
  const DType wide = statistics_dtype(spec.dtype);
  const auto make = [&](const Shape& shape, DType dtype) { return Tensor::empty(shape, dtype, x.device()); };
  args.require("x", x, x.shape(), residual.defined() ? spec.dtype : wide);
  args.require("weight", weight, {channels}, wide);
  args.allow("bias", bias, {channels}, wide);
  args.allow("residual", residual, x.shape(), wide);
  args.require_dropout(spec.dropout, rows);
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
  const Arguments args("layernorm backward", "sum", sum);
  const std::int64_t rows = rows_of(sum), channels = sum.shape()[-1];
  const DType wide = statistics_dtype(spec.dtype);
  CHECK(upstream.dy.defined() || upstream.dstream.defined(), "layernorm backward: no gradient reached the output");
  CHECK(residual || (!grads.dresidual && spec.dropout.p == 0),
        "layernorm backward: dresidual and dropout need a residual");
  args.require("sum", sum, sum.shape(), wide);
  args.require("mean", saved.mean, {rows}, wide);
  args.require("rstd", saved.rstd, {rows}, wide);
  args.require("weight", weight, {channels}, wide);
  args.allow("dy", upstream.dy, sum.shape(), spec.dtype);
  args.allow("dstream", upstream.dstream, sum.shape(), wide);
  args.allow("dsum", upstream.dsum, sum.shape(), wide);
  args.allow("dx", grads.dx, sum.shape(), residual ? spec.dtype : wide);
  args.allow("dresidual", grads.dresidual, sum.shape(), wide);
  args.allow("dweight", grads.dweight, {channels}, wide);
  args.allow("dbias", grads.dbias, {channels}, wide);
  args.require_dropout(spec.dropout, rows);
  kernels::LayerNormBackward call{.dx = grads.dx.out(),
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
                                  .rows = rows,
                                  .channels = channels,
                                  .dropout = spec.dropout.mask(),
                                  .dtype = spec.dtype};
  Tensor parts;
  const bool aside = (call.dweight || call.dbias) && sums_aside(sum.device());
  if constexpr (kernels::kHasCudaOps)
    if (aside) {
      parts = Tensor::empty({kernels::layernorm_parts(cuda_context(), call), 2, channels}, wide, sum.device());
      call.parts = parts.raw();
    }
  run_on(sum.device(), [&](const auto& context) { kernels::layernorm_backward(context, call); });
  if (aside) sum_aside(cuda::sum_of_parts(call, static_cast<const float*>(parts.raw()), parts.shape()[0]), parts);
}

}  // namespace attune::ops
