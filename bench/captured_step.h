// The nodes of a training step of a model, which layer each belongs to, and what no implementation can do without.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/ledger.h"
#include "bench/step_case.h"

namespace attune {

/// What a step needs at least (docs/performance.md has the formulas).
struct StepNeeds {
  double product_flops = 0, attention_flops = 0;  // of the graph's products, and of its other tensor-core operations
  double model_flops = 0;                         // step_flops(): every row of every block
  double optimizer_bytes = 0;                     // of AdamW: parameters with a gradient
  double activation_bytes = 0, weight_bytes = 0;  // saved once and read once; read and written
  std::int64_t layers = 0;
  double bytes() const { return optimizer_bytes + activation_bytes + weight_bytes; }
};

/// Seconds on a machine: arithmetic at the rate of the largest product and the optimizer's bytes at that of memory, one
/// after the other.
double floor_seconds(const StepNeeds& needs, const Machine& machine);
/// What a good implementation may reach: products at 95 % of their rate, attention at 250 TFLOP/s (of 800), AdamW at 90 %
/// of memory's rate, and 0.6 us for each of 20 nodes a layer and 12 others.
double practical_seconds(const StepNeeds& needs, const Machine& machine);

struct CapturedStep {
  std::string description;
  std::vector<LedgerNode> nodes;
  std::vector<int> layers;  // of each node: a block, or kOutside
  StepNeeds needs;

  static constexpr int kOutside = -1;  // embeddings, head, loss, optimizer, and sums for several layers
  std::vector<NodeWork> work() const;
};

/// Throws Error if the update writes nothing: it is left out after a loss or a norm that is not finite, and so would be most of its
/// bytes.
void check_update(const std::vector<LedgerNode>& nodes);

/// Runs the second step of bench_train_step, in bfloat16, in the block simulator under a ledger. Throws Error as Ledger and
/// make_case() do.
CapturedStep capture_step(const CaseOptions& options, const Ledger::Options& sampling);

}  // namespace attune
