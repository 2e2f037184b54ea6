// Conversion between float types: y[i] = x[i] rounded to the nearest value of y's type, ties to even. NaN stays NaN, infinities
// and signed zeros stay, and what is too large becomes infinite.
#pragma once

#include "base/dtype.h"
#include "kernels/context.h"

namespace attune::kernels {

struct Cast {
  void* y;        // [n] of dtype `to`
  const void* x;  // [n] of dtype `from`; not y, unless the dtypes are the same
  std::int64_t n;
  DType to, from;  // float32, float64 (CPU only) or bfloat16
};

void cast(const CpuContext&, const Cast&);
void cast(const CudaContext&, const Cast&);

}  // namespace attune::kernels
