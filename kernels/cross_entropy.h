// Softmax cross-entropy of B rows of L logits, mean over the rows.
//
//   losses[b] = logsumexp(z_b) - z_b[label_b]          loss = (1/B) sum_b losses[b]
//   dz[b, l] = dloss / B * (softmax(z_b)[l] - [l == label_b])
#pragma once

#include "base/dtype.h"
#include "kernels/context.h"

namespace attune::kernels {

struct CrossEntropyForward {
  void* loss;                  // [] mean, summed in row order
  void* losses;                // [B]
  const void* logits;          // [B, L]
  const std::int32_t* labels;  // [B], each in [0, L)
  std::int64_t rows, classes;
  DType dtype;
};

struct CrossEntropyBackward {
  GradOut dlogits;     // [B, L]
  const void* dloss;   // [] gradient of the mean
  const void* logits;  // [B, L]
  const std::int32_t* labels;
  std::int64_t rows, classes;
  DType dtype;
};

void cross_entropy_forward(const CpuContext&, const CrossEntropyForward&);
void cross_entropy_forward(const CudaContext&, const CrossEntropyForward&);
void cross_entropy_backward(const CpuContext&, const CrossEntropyBackward&);
void cross_entropy_backward(const CudaContext&, const CrossEntropyBackward&);

}  // namespace attune::kernels
