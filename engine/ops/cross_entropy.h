// Mean softmax cross-entropy (kernels/cross_entropy.h). logits: [B, L]; labels: int32 [B]; loss: [] S.
// S is statistics_dtype of the logits' type.
#pragma once

#include "engine/ops/args.h"

namespace attune::ops {

struct CrossEntropySpec {
  Tensor class_weights = {};   // [L] S on the logits' device, or undefined: all 1
  double label_smoothing = 0;  // in [0, 1)
};

struct CrossEntropyOut {
  Tensor loss;
  Tensor total_weight;  // [] S, saved for backward
};
/// Throws Error if a label of a host tensor is not a class.
CrossEntropyOut cross_entropy_forward(const Tensor& logits, const Tensor& labels, const CrossEntropySpec& spec = {});
/// Gradient of the logits, from that of the loss, [] S.
void cross_entropy_backward(const GradTarget& dlogits, const Tensor& dloss, const Tensor& total_weight,
                            const Tensor& logits, const Tensor& labels, const CrossEntropySpec& spec = {});

}  // namespace attune::ops
