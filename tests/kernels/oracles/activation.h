// The activations, of one element:
//
//   gelu_tanh  x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))        relu  max(x, 0)
//   gelu_erf   x / 2 (1 + erf(x / sqrt(2)))                             tanh  tanh(x)
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/activation.h"

namespace attune::testing::oracle {

inline double activation(double x, kernels::Activation kind) {
  switch (kind) {
    case kernels::Activation::kGeluTanh:
      return x / 2 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
    case kernels::Activation::kGeluErf:
      return x / 2 * (1 + std::erf(x / std::sqrt(2.0)));
    case kernels::Activation::kRelu:
      return std::max(x, 0.0);
    case kernels::Activation::kTanh:
      return std::tanh(x);
  }
  return std::nan("");
}

}  // namespace attune::testing::oracle
