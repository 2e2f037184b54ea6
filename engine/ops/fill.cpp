#include "kernels/fill.h"

#include "engine/ops/fill.h"
#include "engine/ops/run_on.h"

namespace attune::ops {

void fill(const InPlace& to, double value) {
  const Tensor& y = to.tensor;
  const Arguments args("fill", "y", y);
  run_on(y.device(), [&](const auto& context) {
    kernels::fill(context, {.y = y.raw(), .n = y.numel(), .value = value, .dtype = y.dtype()});
  });
}

}  // namespace attune::ops
