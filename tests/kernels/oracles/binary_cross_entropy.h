// Binary cross-entropy of B L logits z with labels y in [0, 1] and weights p of the positives:
//
//   loss = (1 / (B L)) sum_{b, l} -p[l] y log(sigmoid(z)) - (1 - y) log(1 - sigmoid(z))
//   sigmoid(z) = 1 / (1 + exp(-z))
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "tests/kernels/oracles/numbers.h"

namespace attune::testing::oracle {

/// logits [B, L], labels [B, L], pos_weights [L].
inline double binary_cross_entropy(const Numbers& logits, const std::vector<float>& labels,
                                   const Numbers& pos_weights) {
  double loss = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double probability = 1 / (1 + std::exp(-logits[i])), y = static_cast<double>(labels[i]);
    const double positive = -y * std::log(probability), negative = -(1 - y) * std::log(1 - probability);
    loss += (pos_weights[i % pos_weights.size()] * positive + negative) / static_cast<double>(logits.size());
  }
  return loss;
}

}  // namespace attune::testing::oracle
