#include "kernels/attention.h"

#include <cmath>

#include "engine/ops/attention.h"
#include "engine/ops/run_on.h"

namespace attune::ops {
namespace {

// First element of the part-th of the three projections in a row.
std::byte* part_of(const Tensor& qkv, int part) {
  const auto width = static_cast<std::size_t>(qkv.shape()[-1] / 3);
  return static_cast<std::byte*>(qkv.raw()) + static_cast<std::size_t>(part) * width * size_of(qkv.dtype());
}

// The checks that both directions share.
Arguments checked(const char* op, const Tensor& qkv, const Sequences& sequences, const AttentionSpec& spec) {
  const Arguments args(op, "qkv", qkv);
  args.require_rank("qkv", qkv, 2);
  CHECK(spec.heads > 0 && qkv.shape()[1] % (3 * spec.heads) == 0, op, ": qkv has shape ", qkv.shape(),
        " where the width of queries, keys and values of ", spec.heads, " heads is needed");
  CHECK(qkv.shape()[0] == sequences.rows, op, ": qkv has ", qkv.shape()[0], " rows where the batch has ",
        sequences.rows);
  args.require("offsets", sequences.offsets, {sequences.count + 1}, DType::kInt32);
  args.allow("key_lengths", sequences.key_lengths, {sequences.count}, DType::kInt32);
  args.require_dropout(spec.dropout, sequences.rows);
  return args;
}

kernels::AttentionLayout layout_of(const Tensor& qkv, const Sequences& sequences, const AttentionSpec& spec) {
  const std::int64_t head_size = qkv.shape()[1] / (3 * spec.heads);
  return {.offsets = static_cast<const std::int32_t*>(sequences.offsets.raw()),
          .key_lengths = static_cast<const std::int32_t*>(sequences.key_lengths.raw()),
          .sequences = sequences.count,
          .max_length = sequences.max_length,
          .rows = sequences.rows,
          .heads = spec.heads,
          .head_size = head_size,
          .causal = spec.causal,
          .window = spec.window,
          .scale = 1.0 / std::sqrt(static_cast<double>(head_size)),
          .dropout = spec.dropout.mask()};
}

}  // namespace

AttentionOut attention_forward(const Tensor& qkv, const Sequences& sequences, const AttentionSpec& spec) {
  checked("attention", qkv, sequences, spec);
  const kernels::AttentionLayout layout = layout_of(qkv, sequences, spec);
  AttentionOut out;
  out.out = Tensor::empty({layout.rows, layout.heads * layout.head_size}, qkv.dtype(), qkv.device());
  out.lse = Tensor::empty({layout.heads, layout.rows}, statistics_dtype(qkv.dtype()), qkv.device());
  run_on(qkv.device(), [&](const auto& context) {
    kernels::attention_forward(context, {.out = out.out.raw(),
                                         .lse = out.lse.raw(),
                                         .q = part_of(qkv, 0),
                                         .k = part_of(qkv, 1),
                                         .v = part_of(qkv, 2),
                                         .row_stride = qkv.shape()[-1],
                                         .layout = layout,
                                         .dtype = qkv.dtype()});
  });
  return out;
}

Tensor attention_backward(const Tensor& dout, const AttentionOut& saved, const Tensor& qkv, const Sequences& sequences,
                          const AttentionSpec& spec) {
  const Arguments args = checked("attention backward", qkv, sequences, spec);
  const kernels::AttentionLayout layout = layout_of(qkv, sequences, spec);
  const Shape shape{layout.rows, layout.heads * layout.head_size};
  args.require("dout", dout, shape, qkv.dtype());
  args.require("out", saved.out, shape, qkv.dtype());
  args.require("lse", saved.lse, {layout.heads, layout.rows}, statistics_dtype(qkv.dtype()));
  Tensor dqkv = Tensor::empty(qkv.shape(), qkv.dtype(), qkv.device());
  run_on(qkv.device(), [&](const auto& context) {
    kernels::attention_backward(context, {.dq = part_of(dqkv, 0),
                                          .dk = part_of(dqkv, 1),
                                          .dv = part_of(dqkv, 2),
                                          .dout = dout.raw(),
                                          .out = saved.out.raw(),
                                          .lse = saved.lse.raw(),
                                          .q = part_of(qkv, 0),
                                          .k = part_of(qkv, 1),
                                          .v = part_of(qkv, 2),
                                          .row_stride = qkv.shape()[-1],
                                          .layout = layout,
                                          .dtype = qkv.dtype()});
  });
  return dqkv;
}

}  // namespace attune::ops
