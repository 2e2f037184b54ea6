#include "engine/nn/layers.h"
#include "engine/ops/scale.h"
#include "kernels/linear.h"

namespace attune {

Tensor LowRank::product() const {
  const Tensor left = b.exact().to(Device::kCpu), right = a.exact().to(Device::kCpu);
  const Tensor out = Tensor::empty({left.shape()[0], right.shape()[1]}, left.dtype());
  // Not the process's context, which may round the operands of products to bfloat16.
  kernels::linear_backward(kernels::CpuContext{}, {.dx = {out.raw()},
                                                   .dweight = {},
                                                   .dbias = {},
                                                   .dy = left.raw(),
                                                   .x = nullptr,
                                                   .weight = right.raw(),
                                                   .rows = out.shape()[0],
                                                   .inputs = out.shape()[1],
                                                   .outputs = left.shape()[1],
                                                   .dtype = out.dtype()});
  const Tensor scaled = Tensor::empty(out.shape(), out.dtype());
  ops::scale({scaled, GradMode::kWrite}, out, scale);
  return scaled;
}

}  // namespace attune
