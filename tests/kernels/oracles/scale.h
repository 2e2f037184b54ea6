// Scaling: y[i] = alpha x[i].
#pragma once

#include "tests/kernels/oracles/numbers.h"

namespace attune::testing::oracle {

inline Numbers scale(const Numbers& x, double alpha) {
  Numbers y;
  for (const double value : x) y.push_back(alpha * value);
  return y;
}

}  // namespace attune::testing::oracle
