// The residual connection: y = residual + dropout(x).  dresidual = dy, dx = dropout(dy) (kernels/dropout.h).
#pragma once

#include "base/dtype.h"
#include "kernels/context.h"
#include "kernels/dropout.h"

namespace attune::kernels {

struct Residual {
  void* y;               // [N, C]; may be residual or x
  const void* residual;  // [N, C]
  const void* x;         // [N, C]
  std::int64_t rows, channels;
  DropoutMask dropout;
  DType dtype;
};

void residual(const CpuContext&, const Residual&);
void residual(const CudaContext&, const Residual&);

}  // namespace attune::kernels
