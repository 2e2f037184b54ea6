#include "engine/ops/dropout.h"

#include "engine/ops/run_on.h"

namespace attune::ops {
namespace {

void run(const GradTarget& y, const Tensor& x, const DropoutSpec& spec) {
  run_on(x.device(), [&](const auto& context) {
    kernels::dropout(context, {.y = y.tensor.raw(),
                               .x = x.raw(),
                               .rows = rows_of(x),
                               .channels = x.shape()[-1],
                               .mask = spec.mask(),
                               .mode = y.mode,
                               .dtype = x.dtype()});
  });
}

}  // namespace

Tensor dropout_forward(const Tensor& x, const DropoutSpec& spec) {
  const Arguments args("dropout", "x", x);
  args.require_dropout(spec, rows_of(x));
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  run({y, GradMode::kWrite}, x, spec);
  return y;
}

void dropout_backward(const GradTarget& dx, const Tensor& dy, const DropoutSpec& spec) {
  const Arguments args("dropout backward", "dy", dy);
  args.require_dropout(spec, rows_of(dy));
  args.allow("dx", dx, dy.shape(), dy.dtype());
  if (dx) run(dx, dy, spec);
}

}  // namespace attune::ops
