// Binary cross-entropy of logits, mean over all B L elements: each label is a separate binary classification. PyTorch's
// binary_cross_entropy_with_logits with pos_weight.
//
//   loss = (1 / (B L)) sum_{b, l} p[l] y softplus(-z) + (1 - y) softplus(z)      softplus(z) = log(1 + e^z)
//   dz = dloss / (B L) * ((1 - y) sigmoid(z) - p[l] y sigmoid(-z))
//
// with z = z[b, l], y = labels[b, l] and p the weights of the positives (1 without them). Stable for every z:
// softplus(z) = max(z, 0) + log1p(e^-|z|), and neither sum above cancels if y is 0 or 1.
#pragma once

#include "base/dtype.h"
#include "kernels/context.h"

namespace attune::kernels {

struct BinaryCrossEntropyForward {
  void* loss;                         // [] of statistics_dtype(dtype)
  const void* logits;                 // [B, L]
  const float* labels;                // [B, L] in [0, 1], float32 whatever the dtype
  const void* pos_weights = nullptr;  // [L] of statistics_dtype(dtype), or null: all 1
  std::int64_t rows, classes;
  DType dtype;
};

struct BinaryCrossEntropyBackward {
  GradOut dlogits;      // [B, L]
  const void* dloss;    // [] of statistics_dtype(dtype)
  const void* logits;   // [B, L]
  const float* labels;  // [B, L]
  const void* pos_weights = nullptr;
  std::int64_t rows, classes;
  DType dtype;
};

void binary_cross_entropy_forward(const CpuContext&, const BinaryCrossEntropyForward&);
void binary_cross_entropy_forward(const CudaContext&, const BinaryCrossEntropyForward&);
void binary_cross_entropy_backward(const CpuContext&, const BinaryCrossEntropyBackward&);
void binary_cross_entropy_backward(const CudaContext&, const BinaryCrossEntropyBackward&);

}  // namespace attune::kernels
