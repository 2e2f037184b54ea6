// Softmax cross-entropy of rows of L logits z, with class weights w and label smoothing s:
//
//   r[b, l] = -log softmax(z[b])[l] = log(sum_k exp(z[b, k])) - z[b, l]
//   losses[b] = sum_l w[l] r[b, l] ((1 - s) [l = label_b] + s / L)        loss = sum_b losses[b] / sum_b w[label_b]
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/kernels/oracles/numbers.h"

namespace attune::testing::oracle {

struct CrossEntropy {
  Numbers losses;           // [B]
  double total_weight = 0;  // sum_b w[label_b]
  double loss = 0;
};

/// logits [B, L], labels [B], weights [L].
inline CrossEntropy cross_entropy(const Numbers& logits, const std::vector<std::int32_t>& labels,
                                  const Numbers& weights, double smoothing) {
  const std::size_t classes = weights.size();
  CrossEntropy out;
  double sum_of_losses = 0;
  for (std::size_t b = 0; b < labels.size(); ++b) {
    const auto label = static_cast<std::size_t>(labels[b]);
    double sum = 0, loss = 0;
    for (std::size_t l = 0; l < classes; ++l) sum += std::exp(logits[b * classes + l]);
    for (std::size_t l = 0; l < classes; ++l) {
      const double r = std::log(sum) - logits[b * classes + l];
      loss += weights[l] * r * ((l == label ? 1 - smoothing : 0) + smoothing / static_cast<double>(classes));
    }
    out.losses.push_back(loss);
    sum_of_losses += loss;
    out.total_weight += weights[label];
  }
  out.loss = sum_of_losses / out.total_weight;
  return out;
}

}  // namespace attune::testing::oracle
