// The fake cuBLASLt itself: products by its manual, and the descriptions and operands that it refuses.
#include <gtest/gtest.h>

#include <cstring>

#include "tests/fake_cuda/blaslt.h"
#include "tests/fake_cuda/blaslt_algorithms.h"
#include "tests/fake_cuda/control.h"

namespace attune::fake_cuda {
namespace {

// d[2, 2] = a[2, 3] b[3, 2], column-major.
class FakeBlasLt : public ::testing::Test {
 protected:
  void SetUp() override {
    take_mistakes();
    ASSERT_EQ(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, 0), cudaSuccess);
    void* block = nullptr;
    ASSERT_EQ(cudaMalloc(&block, 4096), cudaSuccess);
    memory = static_cast<float*>(block);
    for (int i = 0; i < 1024; ++i) memory[i] = static_cast<float>(i % 17);
    ASSERT_EQ(cublasLtCreate(&handle), CUBLAS_STATUS_SUCCESS);
    ASSERT_EQ(cublasLtMatmulDescCreate(&product, CUBLAS_COMPUTE_32F, CUDA_R_32F), CUBLAS_STATUS_SUCCESS);
    ASSERT_EQ(cublasLtMatmulPreferenceCreate(&preference), CUBLAS_STATUS_SUCCESS);
    a = layout(2, 3, 2), b = layout(3, 2, 3), d = layout(2, 2, 2);
  }
  void TearDown() override {
    recover();
    EXPECT_EQ(take_mistakes(), std::vector<std::string>{});
    for (const cublasLtMatrixLayout_t made : layouts)
      EXPECT_EQ(cublasLtMatrixLayoutDestroy(made), CUBLAS_STATUS_SUCCESS);
    if (product != nullptr) {
      EXPECT_EQ(cublasLtMatmulDescDestroy(product), CUBLAS_STATUS_SUCCESS);
    }
    EXPECT_EQ(cublasLtMatmulPreferenceDestroy(preference), CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(cublasLtDestroy(handle), CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
    if (memory != nullptr) {
      EXPECT_EQ(cudaFree(memory), cudaSuccess);
    }
    EXPECT_EQ(live(), Live{});
  }
  cublasLtMatrixLayout_t layout(std::uint64_t rows, std::uint64_t columns, std::int64_t leading,
                                cudaDataType_t type = CUDA_R_32F) {
    cublasLtMatrixLayout_t out = nullptr;
    EXPECT_EQ(cublasLtMatrixLayoutCreate(&out, type, rows, columns, leading), CUBLAS_STATUS_SUCCESS);
    layouts.push_back(out);
    return out;
  }
  template <class V>
  cublasStatus_t set(cublasLtMatmulDescAttributes_t attribute, const V& value) {
    return cublasLtMatmulDescSetAttribute(product, attribute, &value, sizeof value);
  }
  std::vector<cublasLtMatmulHeuristicResult_t> proposals() {
    std::vector<cublasLtMatmulHeuristicResult_t> out(16);
    int count = 0;
    status = cublasLtMatmulAlgoGetHeuristic(handle, product, a, b, d, d, preference, 16, out.data(), &count);
    out.resize(static_cast<std::size_t>(count));
    return out;
  }
  /// With the first proposal.
  cublasStatus_t multiply(float beta = 0) {
    const std::vector<cublasLtMatmulHeuristicResult_t> found = proposals();
    const cublasLtMatmulAlgo_t chosen = found.empty() ? cublasLtMatmulAlgo_t{} : found.front().algo;
    const float alpha = 1;
    return cublasLtMatmul(handle, product, &alpha, memory, a, memory + 64, b, &beta, memory + 128, d, memory + 128, d,
                          &chosen, nullptr, 0, stream);
  }
  float result(int row, int column) const { return memory[128 + column * 2 + row]; }

  cudaStream_t stream = nullptr;
  float* memory = nullptr;
  cublasLtHandle_t handle = nullptr;
  cublasLtMatmulDesc_t product = nullptr;
  cublasLtMatmulPreference_t preference = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, d = nullptr;
  std::vector<cublasLtMatrixLayout_t> layouts;
  cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
};

TEST_F(FakeBlasLt, ComputesColumnMajorProducts) {
  const float before = result(1, 0), bias = 5;
  std::memcpy(memory + 256, std::vector<float>{bias, 2 * bias}.data(), 2 * sizeof bias);
  EXPECT_EQ(set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(memory + 256)), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(multiply(1), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(result(1, 0), before);  // not yet
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  float expected = before + 2 * bias;
  for (int k = 0; k < 3; ++k) expected += memory[k * 2 + 1] * memory[64 + k];
  EXPECT_EQ(result(1, 0), expected);
}

TEST_F(FakeBlasLt, FindsWrongSizesLeadingDimensionsAndTypes) {
  const auto refuses = [&](cublasLtMatrixLayout_t& operand, cublasLtMatrixLayout_t wrong, cublasStatus_t expected) {
    const cublasLtMatrixLayout_t right = std::exchange(operand, wrong);
    EXPECT_TRUE(proposals().empty());
    EXPECT_EQ(status, expected);
    EXPECT_EQ(multiply(), expected);
    operand = right;
  };
  refuses(a, layout(2, 3, 1), CUBLAS_STATUS_INVALID_VALUE);  // columns that overlap
  refuses(a, layout(3, 2, 3), CUBLAS_STATUS_INVALID_VALUE);
  refuses(b, layout(2, 2, 2), CUBLAS_STATUS_INVALID_VALUE);
  refuses(d, layout(2, 3, 2), CUBLAS_STATUS_INVALID_VALUE);
  refuses(a, layout(2, 0, 2), CUBLAS_STATUS_INVALID_VALUE);
  refuses(b, layout(3, 2, 3, CUDA_R_16BF), CUBLAS_STATUS_NOT_SUPPORTED);
  refuses(a, layout(2, 3, 2, CUDA_R_16F), CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_RELU), CUBLAS_STATUS_SUCCESS);
  EXPECT_TRUE(proposals().empty());
  EXPECT_EQ(status, CUBLAS_STATUS_NOT_SUPPORTED);
}

// A leading dimension that is legal and yet too large reads past the matrix.
TEST_F(FakeBlasLt, FindsALeadingDimensionPastTheOperand) {
  a = layout(2, 3, 600);
  EXPECT_EQ(multiply(), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorIllegalAddress);
  EXPECT_EQ(take_mistakes().at(0).substr(0, 27), "freed operand: a product's ");
}

TEST_F(FakeBlasLt, FindsFreedOperandsAndDestroyedObjects) {
  EXPECT_EQ(cudaFree(memory), cudaSuccess);
  EXPECT_EQ(multiply(), CUBLAS_STATUS_SUCCESS);
  memory = nullptr;
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorIllegalAddress);
  EXPECT_EQ(take_mistakes().at(0).substr(0, 13), "freed operand");
  recover();
  EXPECT_EQ(cublasLtMatmulDescDestroy(product), CUBLAS_STATUS_SUCCESS);
  EXPECT_TRUE(proposals().empty());
  EXPECT_EQ(take_mistakes().at(0).substr(0, 16), "destroyed object");
  product = nullptr;
}

TEST_F(FakeBlasLt, ProposesWhatThePreferencesAllow) {
  EXPECT_EQ(proposals().size(), 5u);  // no workspace
  const std::uint64_t workspace = std::uint64_t{32} << 20;
  const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
    EXPECT_EQ(cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof value), CUBLAS_STATUS_SUCCESS);
  };
  prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace);
  EXPECT_EQ(proposals().size(), 6u);
  prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, std::uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
  EXPECT_EQ(proposals().size(), 4u);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, std::uint32_t{4});
  const std::vector<cublasLtMatmulHeuristicResult_t> found = proposals();
  ASSERT_EQ(found.size(), 3u);
  cublasLtMatmulHeuristicResult_t result{};
  EXPECT_EQ(cublasLtMatmulAlgoCheck(handle, product, a, b, d, d, &found[0].algo, &result), CUBLAS_STATUS_SUCCESS);
  const cublasLtMatmulAlgo_t garbage{{1, 2, 3}};
  EXPECT_EQ(cublasLtMatmulAlgoCheck(handle, product, a, b, d, d, &garbage, &result), CUBLAS_STATUS_NOT_SUPPORTED);
}

}  // namespace
}  // namespace attune::fake_cuda
