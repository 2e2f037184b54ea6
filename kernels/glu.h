// The gated linear unit of ModernBERT: the first half of the features is activated, the second half is the gate.
//
//   y[n, i] = f(u[n, i]) * u[n, I + i]
//   du[n, i] = dy * u[n, I + i] * f'(u[n, i])       du[n, I + i] = dy * f(u[n, i])
//
// Shazeer: "GLU variants improve transformer", arXiv 2002.05202.
#pragma once

#include "base/dtype.h"
#include "kernels/activation.h"
#include "kernels/context.h"

namespace attune::kernels {

struct GluForward {
  void* y;                      // [N, I]
  const void* u;                // [N, 2 I]
  std::int64_t rows, channels;  // channels = I
  Activation kind;
  DType dtype;
};

struct GluBackward {
  GradOut du;      // [N, 2 I]
  const void* dy;  // [N, I]
  const void* u;   // [N, 2 I]
  std::int64_t rows, channels;
  Activation kind;
  DType dtype;
};

void glu_forward(const CpuContext&, const GluForward&);
void glu_forward(const CudaContext&, const GluForward&);
void glu_backward(const CpuContext&, const GluBackward&);
void glu_backward(const CudaContext&, const GluBackward&);

}  // namespace attune::kernels
