// y[i] = value.
#pragma once

#include "base/dtype.h"
#include "kernels/context.h"

namespace attune::kernels {

struct Fill {
  void* y;  // [n]
  std::int64_t n;
  double value;  // rounded to the dtype
  DType dtype;
};

void fill(const CpuContext&, const Fill&);
void fill(const CudaContext&, const Fill&);

}  // namespace attune::kernels
