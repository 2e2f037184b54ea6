// The sum over the ranks: y[i] = x[0, i] + x[1, i] + ..., x [ranks, n].
#pragma once

#include "tests/kernels/oracles/numbers.h"

namespace attune::testing::oracle {

inline Numbers rank_sum(const Numbers& x, std::size_t n) {
  Numbers y(n);
  for (std::size_t i = 0; i < x.size(); ++i) y[i % n] += x[i];
  return y;
}

}  // namespace attune::testing::oracle
