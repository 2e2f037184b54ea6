// One step of the exponential moving average of many tensors in one call: a += rate (x - a), rate = 1 - decay.
//
// The rate changes from step to step and is in the context's memory, so that a captured step can be replayed. It is
// rounded to the type of the elements.
//
// Polyak, Juditsky: "Acceleration of stochastic approximation by averaging", SIAM J. Control Optim. 30 (1992).
#pragma once

#include <span>

#include "base/dtype.h"
#include "kernels/context.h"

namespace attune::kernels {

struct AveragedTensor {
  void* average;
  const void* value;
  std::int64_t n;  // elements of both
};

struct MovingAverage {
  std::span<const AveragedTensor> tensors;
  const double* rate;  // [1] in the context's memory, in [0, 1]
  DType dtype;         // of all tensors
};

void moving_average(const CpuContext&, const MovingAverage&);
void moving_average(const CudaContext&, const MovingAverage&);

}  // namespace attune::kernels
