// The mean squared error: loss = (1 / n) sum_i (x[i] - y[i])^2.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "tests/kernels/oracles/numbers.h"

namespace attune::testing::oracle {

inline double mean_squared_error(const Numbers& predictions, const std::vector<float>& labels) {
  double sum = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) sum += std::pow(predictions[i] - static_cast<double>(labels[i]), 2);
  return sum / static_cast<double>(labels.size());
}

}  // namespace attune::testing::oracle
