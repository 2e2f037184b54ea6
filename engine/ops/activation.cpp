#include "engine/ops/activation.h"

#include "engine/ops/run_on.h"

namespace attune::ops {

Tensor activation_forward(const Tensor& x, Activation kind) {
  const Arguments args("activation", "x", x);
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  run_on(x.device(), [&](const auto& context) {
    kernels::activation_forward(context,
                                {.y = y.raw(), .x = x.raw(), .n = x.numel(), .kind = kind, .dtype = x.dtype()});
  });
  return y;
}

void activation_backward(const GradTarget& dx, const Tensor& dy, const Tensor& x, Activation kind) {
  const Arguments args("activation backward", "x", x);
  args.require("dy", dy, x.shape(), x.dtype());
  args.allow("dx", dx, x.shape(), x.dtype());
  run_on(x.device(), [&](const auto& context) {
    kernels::activation_backward(
        context, {.dx = dx.out(), .dy = dy.raw(), .x = x.raw(), .n = x.numel(), .kind = kind, .dtype = x.dtype()});
  });
}

}  // namespace attune::ops
