// Matrix products on the device: cuBLASLt on a GPU, plain loops on a simulated one.
#pragma once

#include <cstdint>
#include <memory>

#include "base/dtype.h"
#include "kernels/context.h"

namespace attune::cuda {

/// c[M, N] = op(a) op(b) + bias, or += if it accumulates. All row-major and dense; products are summed in float32;
/// float32 operands are rounded to TF32 if the context says so.
struct Matmul {
  void* c;        // [M, N]
  const void* a;  // [M, K], or [K, M] if transposed
  const void* b;  // [K, N], or [N, K] if transposed
  std::int64_t m, n, k;
  bool transpose_a = false, transpose_b = false;
  const void* bias = nullptr;  // [N]
  bool accumulate = false;
  DType dtype;
};

/// The state of a context for its products; the backend defines it.
struct MatmulPlans;
std::shared_ptr<MatmulPlans> make_matmul_plans();

void matmul(const kernels::CudaContext& context, const Matmul& args);

}  // namespace attune::cuda
