// The mean squared error of n predictions.
//
//   loss = (1 / n) sum_i (x[i] - y[i])^2        dx[i] = dloss * 2 / n * (x[i] - y[i])
#pragma once

#include "base/dtype.h"
#include "kernels/context.h"

namespace attune::kernels {

struct MeanSquaredErrorForward {
  void* loss;               // [] of statistics_dtype(dtype)
  const void* predictions;  // [n] x
  const float* labels;      // [n] y, float32 whatever the dtype
  std::int64_t n;
  DType dtype;
};

struct MeanSquaredErrorBackward {
  GradOut dpredictions;     // [n]
  const void* dloss;        // [] of statistics_dtype(dtype)
  const void* predictions;  // [n]
  const float* labels;      // [n]
  std::int64_t n;
  DType dtype;
};

void mean_squared_error_forward(const CpuContext&, const MeanSquaredErrorForward&);
void mean_squared_error_forward(const CudaContext&, const MeanSquaredErrorForward&);
void mean_squared_error_backward(const CpuContext&, const MeanSquaredErrorBackward&);
void mean_squared_error_backward(const CudaContext&, const MeanSquaredErrorBackward&);

}  // namespace attune::kernels
