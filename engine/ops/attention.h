// Multi-head attention on a fused projection (kernels/attention.h). qkv: [N, 3 H D], queries, keys and values side by
// side; out: [N, H D].
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
  Tensor lse;  // [H, N], saved for backward
};
AttentionOut attention_forward(const Tensor& qkv, const Sequences& sequences, const AttentionSpec& spec);
/// Gradient of qkv, written into `dqkv` [N, 3 H D].
void attention_backward(const Tensor& dqkv, const Tensor& dout, const AttentionOut& saved, const Tensor& qkv,
                        const Sequences& sequences, const AttentionSpec& spec);

}  // namespace attune::ops
