// Rotary positions on the queries and keys of a fused projection (kernels/rope.h). qkv: [N, 3 H D].
#pragma once

#include "engine/ops/args.h"
#include "engine/ops/sequences.h"

namespace attune::ops {

/// Cosines and sines of every position and pair of channels, float32 [P, D / 2].
struct RopeTable {
  Tensor cosines, sines;

  /// In the reference library's rounding: inverse frequencies and angles are float32.
  static RopeTable make(std::int64_t positions, std::int64_t head_size, double theta);
  RopeTable to(Device device) const { return {cosines.to(device), sines.to(device)}; }
};

/// Rotates qkv by the angles of the table. It is consumed: the result is in its bytes, so no other tensor may share
/// them.
Tensor rope_forward(Tensor&& qkv, const Sequences& sequences, std::int64_t heads, const RopeTable& table);
/// Rotates the gradient of the result back into that of qkv; it is consumed too.
Tensor rope_backward(Tensor&& dy, const Sequences& sequences, std::int64_t heads, const RopeTable& table);

}  // namespace attune::ops
