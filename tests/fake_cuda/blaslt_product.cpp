// The proposals and products of the fake cuBLASLt. Matrices are column-major; sums are plain loops in float32, in the
// order of kernels/cuda/simulated/matmul.cpp, so that a whole training step has the simulated device's bits.
#include <cstring>

#include "base/bfloat16.h"
#include "base/check.h"
#include "kernels/cuda/simulated/device.h"
#include "tests/fake_cuda/blaslt.h"
#include "tests/fake_cuda/blaslt_algorithms.h"
#include "tests/fake_cuda/control.h"

namespace attune::fake_cuda {
namespace {

constexpr std::uint64_t kMark = 0x66616B65626C6173u;  // of an algorithm's first word
constexpr std::size_t kLargeBytes = std::size_t{64} << 20;

std::array<double, kAlgorithms>& milliseconds() {
  static std::array<double, kAlgorithms> instance = [] {
    std::array<double, kAlgorithms> out{};
    out.fill(1);
    return out;
  }();
  return instance;
}
std::array<std::int64_t, kAlgorithms>& products() {
  static std::array<std::int64_t, kAlgorithms> instance{};
  return instance;
}

cublasLtMatmulAlgo_t words_of(int algorithm, cudaDataType_t type) {
  return {{kMark, static_cast<std::uint64_t>(algorithm), static_cast<std::uint64_t>(type), 0, 0, 0, 0, 0}};
}
// -1: the words are no algorithm for this type.
int algorithm_of(const cublasLtMatmulAlgo_t& words, cudaDataType_t type) {
  const auto index = static_cast<int>(words.data[1]);
  const bool valid = words.data[0] == kMark && words.data[1] < kAlgorithms && words.data[2] == std::uint64_t(type);
  return valid ? index : -1;
}

std::size_t workspace_of(int algorithm, const ProductSizes& sizes) {
  if (algorithm == kLargeWorkspace) return kLargeBytes;
  return algorithm == kSplit ? sizes.m * sizes.n * sizeof(float) : 0;
}
std::uint32_t reduction_of(int algorithm) {
  switch (algorithm) {
    case kSplit:
      return CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    case kSplitInPlace:
      return CUBLASLT_REDUCTION_SCHEME_INPLACE;
    case kSplitOutputType:
      return CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE;
    default:
      return CUBLASLT_REDUCTION_SCHEME_NONE;
  }
}
std::size_t alignment_of(int algorithm, cudaDataType_t type) {
  return algorithm == kVectors ? 16 : bytes_of(type);
}

float operand(const void* matrix, std::uint64_t at, cudaDataType_t type, bool tf32) {
  if (type == CUDA_R_16BF) return to_float(static_cast<const BFloat16*>(matrix)[at]);
  const float x = static_cast<const float*>(matrix)[at];
  return tf32 ? device::bits_float(device::float_to_tf32(x)) : x;
}

// A product whose descriptions were checked, by value: the caller may destroy them before it runs.
struct Product {
  cublasLtMatmulDescOpaque_t description;
  cublasLtMatrixLayoutOpaque_t a_layout, b_layout, c_layout, d_layout;
  ProductSizes sizes;
  const void *a, *b, *c;
  void* d;
  float alpha, beta;
  int algorithm;

  void run() const;

 private:
  void check() const;
  float sum(std::uint64_t row, std::uint64_t column, std::uint64_t begin, std::uint64_t end) const;
};

void Product::check() const {
  const auto bytes = [](const cublasLtMatrixLayoutOpaque_t& layout) {
    return (static_cast<std::uint64_t>(layout.leading) * (layout.columns - 1) + layout.rows) * bytes_of(layout.type);
  };
  check_operand(a, bytes(a_layout), "a product's A");
  check_operand(b, bytes(b_layout), "a product's B");
  if (beta != 0) check_operand(c, bytes(c_layout), "a product's C");
  check_operand(d, bytes(d_layout), "a product's D");
  if (description.epilogue == CUBLASLT_EPILOGUE_BIAS)
    check_operand(description.bias, sizes.m * bytes_of(d_layout.type), "a product's bias");
}

// The sum of products from `begin` to `end`, in blocks of 64.
float Product::sum(std::uint64_t row, std::uint64_t column, std::uint64_t begin, std::uint64_t end) const {
  const bool tf32 = description.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
  const auto a_leading = static_cast<std::uint64_t>(a_layout.leading);
  const auto b_leading = static_cast<std::uint64_t>(b_layout.leading);
  const bool bias = begin == 0 && description.epilogue == CUBLASLT_EPILOGUE_BIAS;
  float out = bias ? operand(description.bias, row, d_layout.type, false) : 0.0f;
  for (std::uint64_t first = begin; first < end; first += 64) {
    float block = 0;
    for (std::uint64_t k = first; k < std::min(first + 64, end); ++k) {
      const std::uint64_t at_a = description.transpose_a != CUBLAS_OP_N ? row * a_leading + k : k * a_leading + row;
      const std::uint64_t at_b =
          description.transpose_b != CUBLAS_OP_N ? k * b_leading + column : column * b_leading + k;
      block += operand(a, at_a, a_layout.type, tf32) * operand(b, at_b, b_layout.type, tf32);
    }
    out += block;
  }
  return out;
}

void Product::run() const {
  check();
  ++products()[static_cast<std::size_t>(algorithm)];
  if (!device().compute) return;
  const bool split = reduction_of(algorithm) != CUBLASLT_REDUCTION_SCHEME_NONE;
  const std::uint64_t middle = split ? sizes.k / 2 : sizes.k;
  for (std::uint64_t column = 0; column < sizes.n; ++column)
    for (std::uint64_t row = 0; row < sizes.m; ++row) {
      float x = sum(row, column, 0, middle);
      if (algorithm == kSplitOutputType && d_layout.type == CUDA_R_16BF) x = to_float(to_bfloat16(x));
      if (split) x += sum(row, column, middle, sizes.k);
      x *= alpha;
      if (beta != 0) {
        const std::uint64_t at = column * static_cast<std::uint64_t>(c_layout.leading) + row;
        x = beta * operand(c, at, c_layout.type, false) + x;
      }
      const std::uint64_t at = column * static_cast<std::uint64_t>(d_layout.leading) + row;
      if (d_layout.type == CUDA_R_32F)
        static_cast<float*>(d)[at] = x;
      else
        static_cast<BFloat16*>(d)[at] = to_bfloat16(x);
    }
}

bool aligned(const void* address, std::size_t alignment) {
  return reinterpret_cast<std::uintptr_t>(address) % alignment == 0;
}

}  // namespace

void set_algorithm_ms(int index, double ms) {
  milliseconds().at(static_cast<std::size_t>(index)) = ms;
}

std::int64_t products_by(int index) {
  return products().at(static_cast<std::size_t>(index));
}

}  // namespace attune::fake_cuda

using namespace attune::fake_cuda;  // the functions below are those of the interface, which has no namespace

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t product,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int requested,
                                              cublasLtMatmulHeuristicResult_t results[], int* found) {
  const Call call("cublasLtMatmulAlgoGetHeuristic", CUBLAS_STATUS_INTERNAL_ERROR);
  *found = 0;
  if (!call.ok()) return static_cast<cublasStatus_t>(call.status());
  const Description description{handle, product, a, b, c, d};
  if (const cublasStatus_t status = check_description(description); status != CUBLAS_STATUS_SUCCESS) return status;
  if (!blaslt().preferences.holds(preference) || requested < 1) return CUBLAS_STATUS_INVALID_VALUE;
  const std::uint32_t alignment = *std::ranges::min_element(preference->alignments);
  for (int i = 0; i < kAlgorithms && *found < requested; ++i) {
    const std::size_t workspace = workspace_of(i, sizes_of(description));
    const std::uint32_t reduction = reduction_of(i);
    if (workspace > preference->workspace || (reduction & ~preference->reductions) != 0 ||
        alignment < alignment_of(i, a->type))
      continue;
    results[(*found)++] = {words_of(i, a->type), workspace, CUBLAS_STATUS_SUCCESS, 1, {}};
  }
  return *found == 0 ? CUBLAS_STATUS_NOT_SUPPORTED : CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t handle, cublasLtMatmulDesc_t product, cublasLtMatrixLayout_t a,
                                       cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                       const cublasLtMatmulAlgo_t* algorithm, cublasLtMatmulHeuristicResult_t* result) {
  const Call call("cublasLtMatmulAlgoCheck", CUBLAS_STATUS_INTERNAL_ERROR);
  if (!call.ok()) return static_cast<cublasStatus_t>(call.status());
  const Description description{handle, product, a, b, c, d};
  if (const cublasStatus_t status = check_description(description); status != CUBLAS_STATUS_SUCCESS) return status;
  const int index = algorithm_of(*algorithm, a->type);
  if (index < 0 || index == kRefused) return CUBLAS_STATUS_NOT_SUPPORTED;
  *result = {*algorithm, workspace_of(index, sizes_of(description)), CUBLAS_STATUS_SUCCESS, 1, {}};
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t product, const void* alpha, const void* a,
                              cublasLtMatrixLayout_t a_layout, const void* b, cublasLtMatrixLayout_t b_layout,
                              const void* beta, const void* c, cublasLtMatrixLayout_t c_layout, void* d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t* algorithm, void* workspace,
                              std::size_t workspace_bytes, cudaStream_t stream) {
  const Call call("cublasLtMatmul", CUBLAS_STATUS_INTERNAL_ERROR);
  if (!call.ok()) return static_cast<cublasStatus_t>(call.status());
  const Description description{handle, product, a_layout, b_layout, c_layout, d_layout};
  if (const cublasStatus_t status = check_description(description); status != CUBLAS_STATUS_SUCCESS) return status;
  if (alpha == nullptr || beta == nullptr || a == nullptr || b == nullptr || c == nullptr || d == nullptr)
    return CUBLAS_STATUS_INVALID_VALUE;
  if (product->epilogue == CUBLASLT_EPILOGUE_BIAS && product->bias == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  if (c == d && c_layout->leading != d_layout->leading) return CUBLAS_STATUS_INVALID_VALUE;
  const int index = algorithm_of(*algorithm, a_layout->type);
  if (index < 0 || index == kRefused) return CUBLAS_STATUS_NOT_SUPPORTED;
  const ProductSizes sizes = sizes_of(description);
  if (const std::size_t needed = workspace_of(index, sizes);
      needed > workspace_bytes || (needed != 0 && (!aligned(workspace, 256) || !on_device(workspace, workspace_bytes))))
    return CUBLAS_STATUS_INVALID_VALUE;
  for (const void* address : {a, b, c, static_cast<const void*>(d), product->bias})
    if (!aligned(address, alignment_of(index, a_layout->type))) return CUBLAS_STATUS_NOT_SUPPORTED;
  float factors[2];
  std::memcpy(&factors[0], alpha, sizeof(float));
  std::memcpy(&factors[1], beta, sizeof(float));
  const Product work{*product, *a_layout, *b_layout, *c_layout,  *d_layout,  sizes, a,
                     b,        c,         d,         factors[0], factors[1], index};
  const double ms = milliseconds()[static_cast<std::size_t>(index)];
  const cudaError_t status = put(stream, Work{[work] { return Task([work] { work.run(); }); }, ms});
  return status == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}
