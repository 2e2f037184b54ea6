#include "kernels/scale.h"

#include "engine/ops/run_on.h"
#include "engine/ops/scale.h"

namespace attune::ops {

void scale(const GradTarget& y, const Tensor& x, double alpha) {
  const Arguments args("scale", "x", x);
  args.require("y", y.tensor, x.shape(), x.dtype());
  run_on(x.device(), [&](const auto& context) {
    kernels::scale(
        context,
        {.y = y.tensor.raw(), .x = x.raw(), .n = x.numel(), .alpha = alpha, .mode = y.mode, .dtype = x.dtype()});
  });
}

}  // namespace attune::ops
