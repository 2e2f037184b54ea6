// Mean binary cross-entropy of logits (kernels/binary_cross_entropy.h). logits: [B, L]; labels: float32 [B, L] in [0, 1];
// pos_weights: [L] S or undefined; loss: [] S. S is statistics_dtype of the logits' type.
#pragma once

#include "engine/ops/args.h"

namespace attune::ops {

/// Throws Error if a label of a host tensor is not in [0, 1].
Tensor binary_cross_entropy_forward(const Tensor& logits, const Tensor& labels, const Tensor& pos_weights);
/// Gradient of the logits, from that of the loss, [] S.
void binary_cross_entropy_backward(const GradTarget& dlogits, const Tensor& dloss, const Tensor& logits,
                                   const Tensor& labels, const Tensor& pos_weights);

}  // namespace attune::ops
