// Mean softmax cross-entropy (kernels/cross_entropy.h). logits: [B, L]; labels: int32 [B]; loss: [].
#pragma once

#include "engine/ops/args.h"

namespace attune::ops {

/// Throws Error where a label of a host tensor is not a class.
Tensor cross_entropy_forward(const Tensor& logits, const Tensor& labels);
void cross_entropy_backward(const GradTarget& dlogits, const Tensor& dloss, const Tensor& logits, const Tensor& labels);

}  // namespace attune::ops
