// Multi-head attention on a fused projection (kernels/attention.h). qkv: [N, 3 H D], in each row the queries, then the
// keys, then the values; out: [N, H D].
#pragma once

#include "engine/ops/args.h"
#include "engine/ops/sequences.h"

namespace attune::ops {

struct AttentionSpec {
  std::int64_t heads = 1;
  bool causal = false;
  std::int64_t window = -1;  // keys at most this far away, both sides; negative: no limit
  DropoutSpec dropout;       // of the probabilities; uses `heads` sites from its own on
};

struct AttentionOut {
  Tensor out;
  Tensor lse;  // [H, N] of statistics_dtype, saved for backward
};
AttentionOut attention_forward(const Tensor& qkv, const Sequences& sequences, const AttentionSpec& spec);
/// The gradient of qkv, [N, 3 H D].
Tensor attention_backward(const Tensor& dout, const AttentionOut& saved, const Tensor& qkv, const Sequences& sequences,
                          const AttentionSpec& spec);

}  // namespace attune::ops
