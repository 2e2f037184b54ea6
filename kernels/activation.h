// Elementwise activations.
//
//   gelu_tanh  0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
//   gelu_erf   0.5 x (1 + erf(x / sqrt 2))
//   relu       max(x, 0)
//   tanh       tanh(x)
//
// Backward recomputes from x: dx = dy * f'(x); relu'(0) = 0.
// Hendrycks, Gimpel: "Gaussian error linear units", arXiv 1606.08415.
#pragma once

#include "base/dtype.h"
#include "kernels/context.h"

namespace attune::kernels {

enum class Activation : std::uint8_t { kGeluTanh, kGeluErf, kRelu, kTanh };

struct ActivationForward {
  void* y;        // [n]; may be x
  const void* x;  // [n]
  std::int64_t n;
  Activation kind;
  DType dtype;
};

struct ActivationBackward {
  GradOut dx;      // [n]; in kWrite mode it may be dy
  const void* dy;  // [n]
  const void* x;   // [n]
  std::int64_t n;
  Activation kind;
  DType dtype;
};

void activation_forward(const CpuContext&, const ActivationForward&);
void activation_forward(const CudaContext&, const ActivationForward&);
void activation_backward(const CpuContext&, const ActivationBackward&);
void activation_backward(const CudaContext&, const ActivationBackward&);

}  // namespace attune::kernels
