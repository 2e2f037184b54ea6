// The gated linear unit: y[n, i] = f(u[n, i]) u[n, I + i], with f an activation (activation.h).
#pragma once

#include <cstddef>

#include "tests/kernels/oracles/activation.h"
#include "tests/kernels/oracles/numbers.h"

namespace attune::testing::oracle {

/// u [N, 2 I]; returns y [N, I].
inline Numbers glu(const Numbers& u, std::size_t channels, kernels::Activation kind) {
  Numbers y;
  for (std::size_t row = 0; row < u.size(); row += 2 * channels)
    for (std::size_t i = 0; i < channels; ++i) y.push_back(activation(u[row + i], kind) * u[row + channels + i]);
  return y;
}

}  // namespace attune::testing::oracle
