// Mean squared error (kernels/mean_squared_error.h). predictions: [B, L]; labels: float32 [B, L]; loss: [] of
// statistics_dtype of the predictions' type.
#pragma once

#include "engine/ops/args.h"

namespace attune::ops {

Tensor mean_squared_error_forward(const Tensor& predictions, const Tensor& labels);
/// Gradient of the predictions, from that of the loss.
void mean_squared_error_backward(const GradTarget& dpredictions, const Tensor& dloss, const Tensor& predictions,
                                 const Tensor& labels);

}  // namespace attune::ops
