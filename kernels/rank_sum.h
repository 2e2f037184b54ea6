// y[i] = x[0, i] + x[1, i] + ... + x[R - 1, i], added in this order: the gradients of the processes of a run.
//
// Sums are float32 (float64 for float64), and rounded to the dtype once.
#pragma once

#include "base/dtype.h"
#include "kernels/context.h"

namespace attune::kernels {

struct RankSum {
  void* y;             // [n]
  const void* x;       // [R, n]; not y
  std::int64_t ranks;  // R, at least 1
  std::int64_t n;
  DType dtype;
};

void rank_sum(const CpuContext&, const RankSum&);
void rank_sum(const CudaContext&, const RankSum&);

}  // namespace attune::kernels
