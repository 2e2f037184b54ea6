// y[i] = alpha * x[i], or y[i] += alpha * x[i]: adds the gradients of several paths.
#pragma once

#include "base/dtype.h"
#include "kernels/context.h"

namespace attune::kernels {

struct Scale {
  void* y;        // [n]; may be x
  const void* x;  // [n]
  std::int64_t n;
  double alpha = 1;
  GradMode mode = GradMode::kWrite;  // kAccumulate: y += alpha x
  DType dtype;
};

void scale(const CpuContext&, const Scale&);
void scale(const CudaContext&, const Scale&);

}  // namespace attune::kernels
