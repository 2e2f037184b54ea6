// Turns the error codes of the CUDA runtime and cuBLASLt into Error.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime.h>

#include <cstdio>

#include "base/check.h"

namespace attune::cuda {

/// Throws Error naming the call unless it succeeded, OutOfMemory if that is why.
inline void check(cudaError_t status, const char* call) {
  if (status == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());  // the error is reported; the next call must not see it
    throw OutOfMemory(str_cat("out of memory: ", call, " found none free"));
  }
  if (status != cudaSuccess) throw Error(str_cat("cuda: ", call, ": ", cudaGetErrorString(status)));
}
inline void check(cublasStatus_t status, const char* call) {
  if (status != CUBLAS_STATUS_SUCCESS) throw Error(str_cat("cuda: ", call, ": ", cublasLtGetStatusString(status)));
}

/// For destructors: prints what went wrong and continues.
inline void report(cudaError_t status, const char* call) noexcept {
  if (status != cudaSuccess) std::fprintf(stderr, "attune: cuda: %s: %s\n", call, cudaGetErrorString(status));
}
inline void report(cublasStatus_t status, const char* call) noexcept {
  if (status != CUBLAS_STATUS_SUCCESS)
    std::fprintf(stderr, "attune: cuda: %s: %s\n", call, cublasLtGetStatusString(status));
}

}  // namespace attune::cuda

/// CUDA_CHECK(cudaMalloc(&p, n));
#define CUDA_CHECK(call) ::attune::cuda::check((call), #call)
