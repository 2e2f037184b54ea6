// Softmax cross-entropy of B rows of L logits: PyTorch's definition with class weights, label smoothing and mean reduction.
//
// The target of row b is q[b, l] = (1 - s) w[y] [l == y] + s / L w[l], with y = label_b, w the class weights (1 without
// them) and s the label smoothing. With W = sum_b w[label_b]:
//
//   losses[b] = sum_l q[b, l] (logsumexp(z_b) - z[b, l])          loss = (1 / W) sum_b losses[b]
//   dz[b, l] = dloss / W * (sum_k q[b, k] softmax(z_b)[l] - q[b, l])
//
// W = B without class weights. If W = 0, no row has a label that counts, and W is taken as infinite: the loss is 0 and
// nothing has a gradient, where PyTorch's loss is NaN.
//
// Szegedy et al.: "Rethinking the Inception architecture", arXiv 1512.00567 (label smoothing).
#pragma once

#include "base/dtype.h"
#include "kernels/context.h"

namespace attune::kernels {

// S marks tensors of type statistics_dtype(dtype).

struct CrossEntropyForward {
  void* loss;                           // [] S, mean
  void* losses;                         // [B] S
  void* total_weight;                   // [] S, W, saved for backward
  const void* logits;                   // [B, L]
  const std::int32_t* labels;           // [B], each in [0, L)
  const void* class_weights = nullptr;  // [L] S, or null: all 1
  double label_smoothing = 0;           // s, in [0, 1)
  std::int64_t rows, classes;
  DType dtype;
};

struct CrossEntropyBackward {
  GradOut dlogits;           // [B, L]
  const void* dloss;         // [] S, gradient of the mean
  const void* total_weight;  // [] S
  const void* logits;        // [B, L]
  const std::int32_t* labels;
  const void* class_weights = nullptr;
  double label_smoothing = 0;
  std::int64_t rows, classes;
  DType dtype;
};

void cross_entropy_forward(const CpuContext&, const CrossEntropyForward&);
void cross_entropy_forward(const CudaContext&, const CrossEntropyForward&);
void cross_entropy_backward(const CpuContext&, const CrossEntropyBackward&);
void cross_entropy_backward(const CudaContext&, const CrossEntropyBackward&);

}  // namespace attune::kernels
