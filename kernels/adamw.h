// AdamW over all parameters in one call, PyTorch's order of operations; and the norm of all gradients.
//
// Per element at step t (1, 2, ...), with gradient g = grad * grad_scale:
//   p -= lr * weight_decay * p          (decoupled, first)
//   m = beta1 m + (1 - beta1) g         v = beta2 v + (1 - beta2) g^2
//   p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
// The scalars are computed in double, the elements in their own type.
//
// Loshchilov, Hutter: "Decoupled weight decay regularization", arXiv 1711.05101.
#pragma once

#include <span>

#include "base/dtype.h"
#include "kernels/context.h"

namespace attune {

/// One parameter tensor with its gradient and moments, all of `n` elements.
struct AdamWTensor {
  void* param;
  const void* grad;
  void* m;  // float32 where the dtype is bfloat16
  void* v;  // likewise
  std::int64_t n;
  void* master = nullptr;  // float32 copy the update acts on where the dtype is bfloat16 (param is then its rounding); else null
};

struct AdamW {
  std::span<const AdamWTensor> tensors;
  double lr, beta1, beta2, eps, weight_decay;
  std::int64_t step;      // t, from 1
  double grad_scale = 1;  // e.g. of clipping
  DType dtype;
};

void adamw(const CpuContext&, const AdamW&);
void adamw(const CudaContext&, const AdamW&);

/// A read-only run of elements.
struct GradNormTensor {
  const void* data;
  std::int64_t n;
};

/// sqrt of the sum of squares over all tensors, accumulated in double in a fixed order.
double grad_norm(const CpuContext&, std::span<const GradNormTensor> tensors, DType dtype);
double grad_norm(const CudaContext&, std::span<const GradNormTensor> tensors, DType dtype);

}  // namespace attune
