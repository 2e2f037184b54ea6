#include "engine/ops/moving_average.h"

#include <vector>

#include "engine/ops/run_on.h"
#include "kernels/moving_average.h"

namespace attune::ops {

void moving_average(std::span<const AveragedTensor> tensors, const Tensor& rate) {
  const Arguments args("moving average", "rate", rate);
  args.require("rate", rate, {1}, DType::kFloat64);
  if (tensors.empty()) return;
  const DType dtype = tensors.front().average.tensor.dtype();
  std::vector<kernels::AveragedTensor> raw;
  for (const AveragedTensor& t : tensors) {
    const Tensor& average = t.average.tensor;
    args.require("average", average, average.shape(), dtype);
    args.require("value", t.value, average.shape(), dtype);
    raw.push_back({.average = average.raw(), .value = t.value.raw(), .n = average.numel()});
  }
  run_on(rate.device(), [&](const auto& context) {
    kernels::moving_average(context, {.tensors = raw, .rate = static_cast<const double*>(rate.raw()), .dtype = dtype});
  });
}

}  // namespace attune::ops
