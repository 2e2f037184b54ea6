#include "kernels/pooling.h"

#include "engine/ops/pooling.h"
#include "engine/ops/run_on.h"

namespace attune::ops {

Tensor pool_forward(const Tensor& x, const RowRanges& ranges) {
  CHECK(x.shape().rank() == 2, "pooling: input of shape ", x.shape());
  const std::int64_t sequences = ranges.begins.numel();
  check_tensor(ranges.ends, {sequences}, DType::kInt32, "pooling", "ends");
  Tensor y = Tensor::empty({sequences, x.shape()[1]}, x.dtype(), x.device());
  run_on(x.device(), [&](const auto& context) {
    attune::pool_forward(context, {.y = y.raw(),
                                   .x = x.raw(),
                                   .begins = static_cast<const std::int32_t*>(ranges.begins.raw()),
                                   .ends = static_cast<const std::int32_t*>(ranges.ends.raw()),
                                   .sequences = sequences,
                                   .rows = x.shape()[0],
                                   .channels = x.shape()[1],
                                   .dtype = x.dtype()});
  });
  return y;
}

void pool_backward(const GradTarget& dx, const Tensor& dy, const RowRanges& ranges) {
  run_on(dy.device(), [&](const auto& context) {
    attune::pool_backward(context, {.dx = dx.out(),
                                    .dy = dy.raw(),
                                    .begins = static_cast<const std::int32_t*>(ranges.begins.raw()),
                                    .ends = static_cast<const std::int32_t*>(ranges.ends.raw()),
                                    .sequences = dy.shape()[0],
                                    .rows = dx.tensor.shape()[0],
                                    .channels = dy.shape()[1],
                                    .dtype = dy.dtype()});
  });
}

}  // namespace attune::ops
