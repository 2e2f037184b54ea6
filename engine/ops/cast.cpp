#include "kernels/cast.h"

#include "engine/ops/cast.h"
#include "engine/ops/run_on.h"

namespace attune::ops {

Tensor cast(const Tensor& x, DType dtype) {
  const Arguments args("cast", "x", x);
  if (dtype == x.dtype()) return x;
  Tensor y = Tensor::empty(x.shape(), dtype, x.device());
  run_on(x.device(), [&](const auto& context) {
    kernels::cast(context, {.y = y.raw(), .x = x.raw(), .n = x.numel(), .to = dtype, .from = x.dtype()});
  });
  return y;
}

}  // namespace attune::ops
