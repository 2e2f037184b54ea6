// AdamW, step t = 1, 2, ... of one element with gradient g:
//
//   p = p - lr weight_decay p
//   m = beta1 m + (1 - beta1) g        v = beta2 v + (1 - beta2) g^2
//   p = p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
#pragma once

#include <cmath>

namespace attune::testing::oracle {

struct AdamWOptions {
  double learning_rate, beta1, beta2, eps, weight_decay;
};

struct AdamWElement {
  double p, m = 0, v = 0;
};

/// The element after step t.
inline AdamWElement adamw(AdamWElement e, double g, int t, const AdamWOptions& o) {
  e.p -= o.learning_rate * o.weight_decay * e.p;
  e.m = o.beta1 * e.m + (1 - o.beta1) * g;
  e.v = o.beta2 * e.v + (1 - o.beta2) * g * g;
  const double mean = e.m / (1 - std::pow(o.beta1, t)), variance = e.v / (1 - std::pow(o.beta2, t));
  e.p -= o.learning_rate * mean / (std::sqrt(variance) + o.eps);
  return e;
}

}  // namespace attune::testing::oracle
