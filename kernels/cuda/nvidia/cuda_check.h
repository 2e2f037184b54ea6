// Turns what the CUDA runtime and cuBLASLt answer into Error.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime.h>

#include "base/check.h"

namespace attune::cuda {

/// Throws Error naming the call unless it succeeded.
inline void check(cudaError_t status, const char* call) {
  if (status != cudaSuccess) throw Error(str_cat("cuda: ", call, ": ", cudaGetErrorString(status)));
}
inline void check(cublasStatus_t status, const char* call) {
  if (status != CUBLAS_STATUS_SUCCESS) throw Error(str_cat("cuda: ", call, ": ", cublasLtGetStatusString(status)));
}

}  // namespace attune::cuda

/// CUDA_CHECK(cudaMalloc(&p, n));
#define CUDA_CHECK(call) ::attune::cuda::check((call), #call)
