#include "kernels/residual.h"

#include "engine/ops/residual.h"
#include "engine/ops/run_on.h"

namespace attune::ops {

Tensor residual(const Tensor& residual, const Tensor& x, const DropoutSpec& spec) {
  const Arguments args("residual", "x", x);
  args.require("residual", residual, x.shape(), x.dtype());
  args.require_dropout(spec, rows_of(x));
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  run_on(x.device(), [&](const auto& context) {
    kernels::residual(context, {.y = y.raw(),
                                .residual = residual.raw(),
                                .x = x.raw(),
                                .rows = rows_of(x),
                                .channels = x.shape()[-1],
                                .dropout = spec.mask(),
                                .dtype = x.dtype()});
  });
  return y;
}

}  // namespace attune::ops
