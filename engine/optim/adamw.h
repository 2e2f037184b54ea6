// AdamW over the trainable parameters of a module, and what belongs to a step: clipping and the learning-rate schedule.
//
// All parameters form one group (the reference recipe decays biases, norms and embeddings too). A parameter that no
// gradient has reached is skipped altogether, its moments and its own step count untouched (torch.optim.AdamW).
#pragma once

#include <cstdint>
#include <vector>

#include "engine/nn/module.h"
#include "kernels/adamw.h"

namespace attune {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.1;
};

class AdamWOptimizer {
 public:
  /// Holds two moments per element of each parameter given.
  AdamWOptimizer(std::vector<NamedParameter> parameters, const AdamWOptions& options);

  /// Norm of all gradients, as one vector.
  double gradient_norm() const;
  /// One step; gradients are multiplied with `grad_scale` first.
  void step(double learning_rate, double grad_scale = 1);
  /// Drops all gradients.
  void zero_grad() const;

 private:
  struct Slot {
    NamedParameter named;
    Tensor m, v;
    std::int64_t step = 0;
  };
  std::vector<Slot> slots_;
  AdamWOptions options_;
};

}  // namespace attune
