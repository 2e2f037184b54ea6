// One step of the exponential moving average of many tensors in one call (kernels/moving_average.h).
#pragma once

#include <span>

#include "engine/ops/args.h"

namespace attune::ops {

struct AveragedTensor {
  InPlace average;
  Tensor value;  // like the average
};

/// average += rate (value - average) for each pair, all of one type. rate: float64 [1] on their device. Only starts work
/// on the device.
void moving_average(std::span<const AveragedTensor> tensors, const Tensor& rate);

}  // namespace attune::ops
