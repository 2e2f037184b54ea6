// The objects of the fake cuBLASLt, for the files of this folder.
#pragma once

#include <cublasLt.h>

#include <optional>

#include "tests/fake_cuda/device.h"

struct cublasLtContext {};
struct cublasLtMatmulDescOpaque_t {
  cublasComputeType_t compute;
  cudaDataType_t scale;
  cublasOperation_t transpose_a = CUBLAS_OP_N, transpose_b = CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
  std::optional<cudaDataType_t> bias_type;
};
struct cublasLtMatrixLayoutOpaque_t {
  cudaDataType_t type;
  std::uint64_t rows, columns;
  std::int64_t leading;
};
struct cublasLtMatmulPreferenceOpaque_t {
  std::uint64_t workspace = 0;
  std::uint32_t reductions = 7;  // all
  std::uint32_t alignments[4] = {256, 256, 256, 256};
};

namespace attune::fake_cuda {

struct BlasLt {
  Handles<cublasLtContext> handles;
  Handles<cublasLtMatmulDescOpaque_t> products;
  Handles<cublasLtMatrixLayoutOpaque_t> layouts;
  Handles<cublasLtMatmulPreferenceOpaque_t> preferences;
};
BlasLt& blaslt();

/// One product's descriptions.
struct Description {
  cublasLtHandle_t handle;
  cublasLtMatmulDesc_t product;
  cublasLtMatrixLayout_t a, b, c, d;
};
/// Whether the descriptions are alive, fit together and are of a kind that this library computes.
cublasStatus_t check_description(const Description& description);
/// Of D: M, N, and K of the sum.
struct ProductSizes {
  std::uint64_t m, n, k;
};
ProductSizes sizes_of(const Description& description);
inline std::size_t bytes_of(cudaDataType_t type) {
  return type == CUDA_R_32F ? 4 : 2;
}

}  // namespace attune::fake_cuda
