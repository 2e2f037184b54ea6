// The affine map and its gradients, PyTorch layout: weight is [O, I].
//
//   y (+)= x W^T + b     dx = dy W        dW = dy^T x        db = sum over rows of dy
#pragma once

#include "base/dtype.h"
#include "kernels/context.h"

namespace attune::kernels {

struct LinearForward {
  void* y;             // [N, O]
  const void* x;       // [N, I]
  const void* weight;  // [O, I]
  const void* bias;    // [O], or null for none; null if it accumulates
  std::int64_t rows, inputs, outputs;
  DType dtype;
  bool accumulate = false;  // y is added to
};

struct LinearBackward {
  GradOut dx;          // [N, I]
  GradOut dweight;     // [O, I]
  GradOut dbias;       // [O]
  const void* dy;      // [N, O]
  const void* x;       // [N, I]; needed for dweight
  const void* weight;  // [O, I]; needed for dx
  std::int64_t rows, inputs, outputs;
  DType dtype;
};

void linear_forward(const CpuContext&, const LinearForward&);
void linear_forward(const CudaContext&, const LinearForward&);
void linear_backward(const CpuContext&, const LinearBackward&);
void linear_backward(const CudaContext&, const LinearBackward&);

}  // namespace attune::kernels
