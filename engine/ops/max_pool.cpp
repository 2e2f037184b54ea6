#include "engine/ops/max_pool.h"

#include "engine/ops/run_on.h"
#include "kernels/max_pool.h"

namespace attune::ops {
namespace {

// Of x [N, C].
kernels::MaxPoolLayout max_pool_layout(const Arguments& args, const Tensor& x, const Tensor& offsets) {
  args.require_rank("x", x, 2);
  args.require_rank("offsets", offsets, 1);
  args.require("offsets", offsets, offsets.shape(), DType::kInt32);
  CHECK(offsets.numel() >= 1, "max pool: the offsets are one more than the sequences, not none");
  return {.offsets = static_cast<const std::int32_t*>(offsets.raw()),
          .sequences = offsets.numel() - 1,
          .rows = x.shape()[0],
          .channels = x.shape()[1]};
}

}  // namespace

Tensor max_pool_forward(const Tensor& x, const Tensor& offsets) {
  const kernels::MaxPoolLayout layout = max_pool_layout(Arguments("max pool", "x", x), x, offsets);
  Tensor y = Tensor::empty({layout.sequences, layout.channels}, x.dtype(), x.device());
  run_on(x.device(), [&](const auto& context) {
    kernels::max_pool_forward(context, {.y = y.raw(), .x = x.raw(), .layout = layout, .dtype = x.dtype()});
  });
  return y;
}

void max_pool_backward(const GradTarget& dx, const Tensor& dy, const Tensor& x, const Tensor& offsets) {
  const Arguments args("max pool backward", "x", x);
  const kernels::MaxPoolLayout layout = max_pool_layout(args, x, offsets);
  args.require("dy", dy, {layout.sequences, layout.channels}, x.dtype());
  args.allow("dx", dx, x.shape(), x.dtype());
  if (!dx) return;
  run_on(x.device(), [&](const auto& context) {
    kernels::max_pool_backward(context,
                               {.dx = dx.out(), .dy = dy.raw(), .x = x.raw(), .layout = layout, .dtype = x.dtype()});
  });
}

}  // namespace attune::ops
