#include "engine/ops/pooling.h"

#include "engine/ops/run_on.h"

namespace attune::ops {
namespace {

kernels::PooledLayout layout_of(const PooledSequences& sequences, std::int64_t rows, std::int64_t channels) {
  return {.offsets = static_cast<const std::int32_t*>(sequences.offsets.raw()),
          .lengths = static_cast<const std::int32_t*>(sequences.lengths.raw()),
          .sequences = sequences.lengths.numel(),
          .rows = rows,
          .channels = channels,
          .pooled = sequences.rows};
}

}  // namespace

Tensor pool_forward(const Tensor& x, const PooledSequences& sequences) {
  CHECK(x.shape().rank() == 2, "pooling: input of shape ", x.shape());
  const std::int64_t count = sequences.lengths.numel();
  check_tensor(sequences.lengths, {count}, DType::kInt32, "pooling", "lengths");
  check_tensor(sequences.offsets, {sequences.offsets.numel()}, DType::kInt32, "pooling", "offsets");
  CHECK(sequences.offsets.numel() > count, "pooling: ", sequences.offsets.numel(), " offsets for ", count,
        " sequences");
  Tensor y = Tensor::empty({count, x.shape()[1]}, x.dtype(), x.device());
  run_on(x.device(), [&](const auto& context) {
    kernels::pool_forward(
        context,
        {.y = y.raw(), .x = x.raw(), .layout = layout_of(sequences, x.shape()[0], x.shape()[1]), .dtype = x.dtype()});
  });
  return y;
}

void pool_backward(const GradTarget& dx, const Tensor& dy, const PooledSequences& sequences) {
  run_on(dy.device(), [&](const auto& context) {
    kernels::pool_backward(context, {.dx = dx.out(),
                                     .dy = dy.raw(),
                                     .layout = layout_of(sequences, dx.tensor.shape()[0], dy.shape()[1]),
                                     .dtype = dy.dtype()});
  });
}

}  // namespace attune::ops
