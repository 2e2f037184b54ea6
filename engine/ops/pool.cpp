#include "engine/ops/pool.h"

#include "engine/ops/run_on.h"

namespace attune::ops {
namespace {

void check(const Arguments& args, const PooledSequences& sequences) {
  args.require_rank("lengths", sequences.lengths, 1);
  args.require_rank("offsets", sequences.offsets, 1);
  args.require("lengths", sequences.lengths, sequences.lengths.shape(), DType::kInt32);
  args.require("offsets", sequences.offsets, sequences.offsets.shape(), DType::kInt32);
  CHECK(sequences.offsets.numel() > sequences.lengths.numel(), "pool: ", sequences.offsets.numel(), " offsets for ",
        sequences.lengths.numel(), " sequences");
}

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
  const Arguments args("pool", "x", x);
  args.require_rank("x", x, 2);
  check(args, sequences);
  const std::int64_t count = sequences.lengths.numel();
  Tensor y = Tensor::empty({count, x.shape()[1]}, x.dtype(), x.device());
  run_on(x.device(), [&](const auto& context) {
    kernels::pool_forward(
        context,
        {.y = y.raw(), .x = x.raw(), .layout = layout_of(sequences, x.shape()[0], x.shape()[1]), .dtype = x.dtype()});
  });
  return y;
}

void pool_backward(const GradTarget& dx, const Tensor& dy, const PooledSequences& sequences) {
  const Arguments args("pool backward", "dy", dy);
  args.require_rank("dy", dy, 2);
  check(args, sequences);
  args.require("dy", dy, {sequences.lengths.numel(), dy.shape()[1]}, dy.dtype());
  if (!dx) return;
  args.require_rank("dx", dx.tensor, 2);
  args.require("dx", dx.tensor, {dx.tensor.shape()[0], dy.shape()[1]}, dy.dtype());
  run_on(dy.device(), [&](const auto& context) {
    kernels::pool_backward(context, {.dx = dx.out(),
                                     .dy = dy.raw(),
                                     .layout = layout_of(sequences, dx.tensor.shape()[0], dy.shape()[1]),
                                     .dtype = dy.dtype()});
  });
}

Tensor pooled_row_keys(const Tensor& row_keys, const PooledSequences& sequences) {
  const Arguments args("pooled row keys", "row_keys", row_keys);
  args.require_rank("row_keys", row_keys, 1);
  args.require("row_keys", row_keys, row_keys.shape(), DType::kInt32);
  check(args, sequences);
  CHECK(sequences.rows != PooledRows::kAll && sequences.rows != PooledRows::kReal,
        "pooled row keys: the mean of several rows has no row key");
  Tensor keys = Tensor::empty(sequences.lengths.shape(), DType::kInt32, row_keys.device());
  run_on(row_keys.device(), [&](const auto& context) {
    kernels::pooled_keys(context, {.keys = static_cast<std::uint32_t*>(keys.raw()),
                                   .row_keys = static_cast<const std::uint32_t*>(row_keys.raw()),
                                   .layout = layout_of(sequences, row_keys.numel(), 0)});
  });
  return keys;
}

}  // namespace attune::ops
