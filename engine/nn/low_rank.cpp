#include "engine/nn/layers.h"
#include "engine/ops/linear.h"
#include "engine/ops/scale.h"

namespace attune {

Tensor LowRank::product() const {
  const Tensor left = b.exact().to(Device::kCpu), right = a.exact().to(Device::kCpu);
  const Tensor out = Tensor::empty({left.shape()[0], right.shape()[1]}, left.dtype());
  ops::linear_backward({.dx = {out}, .dweight = {}, .dbias = {}}, left, {}, right);
  const Tensor scaled = Tensor::empty(out.shape(), out.dtype());
  ops::scale({scaled, GradMode::kWrite}, out, scale);
  return scaled;
}

}  // namespace attune
