// The few plain elementwise calls autograd itself needs: filling, adding, scaling.
#pragma once

#include "base/dtype.h"
#include "kernels/context.h"

namespace attune::kernels {

/// y[i] = value.
struct Fill {
  void* y;
  std::int64_t n;
  double value;
  DType dtype;
};

/// y[i] = alpha * x[i] (kWrite) or y[i] += alpha * x[i] (kAccumulate).
struct Scale {
  void* y;
  const void* x;
  std::int64_t n;
  double alpha = 1;
  GradMode mode = GradMode::kWrite;
  DType dtype;
};

void fill(const CpuContext&, const Fill&);
void fill(const CudaContext&, const Fill&);
void scale(const CpuContext&, const Scale&);
void scale(const CudaContext&, const Scale&);

}  // namespace attune::kernels
