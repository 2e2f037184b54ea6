// The residual connection: y[i] = residual[i] + x[i]. Where x is dropped, it is the result of dropout (dropout.h).
#pragma once

#include <cstddef>

#include "tests/kernels/oracles/numbers.h"

namespace attune::testing::oracle {

inline Numbers residual(const Numbers& base, const Numbers& x) {
  Numbers y;
  for (std::size_t i = 0; i < x.size(); ++i) y.push_back(base[i] + x[i]);
  return y;
}

}  // namespace attune::testing::oracle
