// Handles, descriptors, layouts and preferences of the fake cuBLASLt, each checked as its manual says.
#include "tests/fake_cuda/blaslt.h"

#include <cstring>

#include "base/check.h"
#include "tests/fake_cuda/control.h"

namespace attune::fake_cuda {

BlasLt& blaslt() {
  static auto* instance = new BlasLt;
  return *instance;
}

Live live() {
  const Device& d = device();
  const BlasLt& b = blaslt();
  return {d.blocks.size(),   d.pinned.size(),
          d.streams.count(), d.events.count(),
          d.graphs.count(),  d.executables.count(),
          b.handles.count(), b.products.count() + b.layouts.count() + b.preferences.count()};
}

namespace {

// The handle of something that is not there is memory of another kind, or freed, for the library itself.
template <class T>
bool alive(const Handles<T>& handles, T* handle, const char* what) {
  if (handles.holds(handle)) return true;
  mistake(str_cat("destroyed object: ", what, " of cuBLASLt is used that does not exist"));
  return false;
}

template <class T>
cublasStatus_t destroy(const Call& call, Handles<T>& handles, T* handle, const char* what) {
  if (handle == nullptr) return static_cast<cublasStatus_t>(call.status());
  if (!alive(handles, handle, what) || !handles.destroy(handle)) return CUBLAS_STATUS_INVALID_VALUE;
  return static_cast<cublasStatus_t>(call.status());
}

template <class To>
cublasStatus_t assign(To& to, const void* value, std::size_t bytes) {
  if (value == nullptr || bytes != sizeof to) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&to, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace

ProductSizes sizes_of(const Description& d) {
  const bool transposed = d.product->transpose_a != CUBLAS_OP_N;
  return {transposed ? d.a->columns : d.a->rows, d.d->columns, transposed ? d.a->rows : d.a->columns};
}

cublasStatus_t check_description(const Description& d) {
  if (!alive(blaslt().handles, d.handle, "a handle") || !alive(blaslt().products, d.product, "a product"))
    return CUBLAS_STATUS_NOT_INITIALIZED;
  for (const cublasLtMatrixLayout_t layout : {d.a, d.b, d.c, d.d})
    if (!alive(blaslt().layouts, layout, "a layout")) return CUBLAS_STATUS_INVALID_VALUE;
  const auto [m, n, k] = sizes_of(d);
  const bool transposed = d.product->transpose_b != CUBLAS_OP_N;
  if (m == 0 || n == 0 || k == 0) return CUBLAS_STATUS_INVALID_VALUE;
  if ((transposed ? d.b->columns : d.b->rows) != k || (transposed ? d.b->rows : d.b->columns) != n || d.d->rows != m)
    return CUBLAS_STATUS_INVALID_VALUE;
  if (d.c->rows != m || d.c->columns != n) return CUBLAS_STATUS_INVALID_VALUE;
  for (const cublasLtMatrixLayout_t layout : {d.a, d.b, d.c, d.d})
    if (layout->leading < static_cast<std::int64_t>(layout->rows)) return CUBLAS_STATUS_INVALID_VALUE;

  const cudaDataType_t type = d.a->type;
  if (type != CUDA_R_32F && type != CUDA_R_16BF) return CUBLAS_STATUS_NOT_SUPPORTED;
  for (const cublasLtMatrixLayout_t layout : {d.b, d.c, d.d})
    if (layout->type != type) return CUBLAS_STATUS_NOT_SUPPORTED;
  const bool tf32 = d.product->compute == CUBLAS_COMPUTE_32F_FAST_TF32;
  if (d.product->scale != CUDA_R_32F || (d.product->compute != CUBLAS_COMPUTE_32F && !tf32) ||
      (tf32 && type != CUDA_R_32F))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  if (d.product->epilogue == CUBLASLT_EPILOGUE_DEFAULT) return CUBLAS_STATUS_SUCCESS;
  const bool bias = d.product->epilogue == CUBLASLT_EPILOGUE_BIAS && d.product->bias_type.value_or(type) == type;
  return bias ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

}  // namespace attune::fake_cuda

using namespace attune::fake_cuda;  // the functions below are those of the interface, which has no namespace

const char* cublasLtGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_ARCH_MISMATCH:
      return "CUBLAS_STATUS_ARCH_MISMATCH";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_INTERNAL_ERROR:
      return "CUBLAS_STATUS_INTERNAL_ERROR";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
  }
  return "an unknown status";
}

std::size_t cublasLtGetVersion() {
  return 120400;
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  const Call call("cublasLtCreate", CUBLAS_STATUS_ALLOC_FAILED);
  if (!call.ok()) return static_cast<cublasStatus_t>(call.status());
  *handle = blaslt().handles.create();
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  const Call call("cublasLtDestroy", CUBLAS_STATUS_INTERNAL_ERROR);
  return destroy(call, blaslt().handles, handle, "a handle");
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* product, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
  const Call call("cublasLtMatmulDescCreate", CUBLAS_STATUS_ALLOC_FAILED);
  if (!call.ok()) return static_cast<cublasStatus_t>(call.status());
  *product = blaslt().products.create({.compute = compute, .scale = scale, .bias_type = {}});
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t product) {
  const Call call("cublasLtMatmulDescDestroy", CUBLAS_STATUS_INTERNAL_ERROR);
  return destroy(call, blaslt().products, product, "a product");
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t product, cublasLtMatmulDescAttributes_t attribute,
                                              const void* value, std::size_t bytes) {
  const Call call("cublasLtMatmulDescSetAttribute", CUBLAS_STATUS_INTERNAL_ERROR);
  if (!call.ok()) return static_cast<cublasStatus_t>(call.status());
  if (!alive(blaslt().products, product, "a product")) return CUBLAS_STATUS_INVALID_VALUE;
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return assign(product->transpose_a, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return assign(product->transpose_b, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return assign(product->epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return assign(product->bias, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE:
      return assign(product->bias_type.emplace(), value, bytes);
    default:
      return CUBLAS_STATUS_INVALID_VALUE;
  }
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType_t type, std::uint64_t rows,
                                          std::uint64_t columns, std::int64_t leading) {
  const Call call("cublasLtMatrixLayoutCreate", CUBLAS_STATUS_ALLOC_FAILED);
  if (!call.ok()) return static_cast<cublasStatus_t>(call.status());
  *layout = blaslt().layouts.create({type, rows, columns, leading});
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  const Call call("cublasLtMatrixLayoutDestroy", CUBLAS_STATUS_INTERNAL_ERROR);
  return destroy(call, blaslt().layouts, layout, "a layout");
}

cublasStatus_t cublasLtMatrixLayoutGetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute, void* value,
                                                std::size_t bytes, std::size_t*) {
  const Call call("cublasLtMatrixLayoutGetAttribute", CUBLAS_STATUS_INTERNAL_ERROR);
  if (!call.ok()) return static_cast<cublasStatus_t>(call.status());
  if (!alive(blaslt().layouts, layout, "a layout")) return CUBLAS_STATUS_INVALID_VALUE;
  const bool rows = attribute == CUBLASLT_MATRIX_LAYOUT_ROWS;
  if ((!rows && attribute != CUBLASLT_MATRIX_LAYOUT_COLS) || bytes != sizeof layout->rows)
    return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(value, rows ? &layout->rows : &layout->columns, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  const Call call("cublasLtMatmulPreferenceCreate", CUBLAS_STATUS_ALLOC_FAILED);
  if (!call.ok()) return static_cast<cublasStatus_t>(call.status());
  *preference = blaslt().preferences.create();
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  const Call call("cublasLtMatmulPreferenceDestroy", CUBLAS_STATUS_INTERNAL_ERROR);
  return destroy(call, blaslt().preferences, preference, "a preference");
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute, const void* value,
                                                    std::size_t bytes) {
  const Call call("cublasLtMatmulPreferenceSetAttribute", CUBLAS_STATUS_INTERNAL_ERROR);
  if (!call.ok()) return static_cast<cublasStatus_t>(call.status());
  if (!alive(blaslt().preferences, preference, "a preference")) return CUBLAS_STATUS_INVALID_VALUE;
  if (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) return assign(preference->workspace, value, bytes);
  if (attribute == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK) return assign(preference->reductions, value, bytes);
  const int operand = attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES;
  if (operand < 0 || operand > 3) return CUBLAS_STATUS_INVALID_VALUE;
  return assign(preference->alignments[operand], value, bytes);
}
