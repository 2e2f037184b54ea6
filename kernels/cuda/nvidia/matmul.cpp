// Matrix products by cuBLASLt. Our row-major matrices are its column-major ones transposed, so it is asked for c^T =
// op(b)^T op(a)^T; the bias of a column of c is then the bias of a row, which its epilogue adds. float32 products stay
// in float32 (no TF32). Per shape the library's first choice of algorithm is kept: the same on every run, and so are
// the bits.
#include "kernels/cuda/matmul.h"

#include <map>
#include <mutex>
#include <tuple>

#include "base/check.h"
#include "kernels/cuda/nvidia/cuda_check.h"
#include "kernels/cuda/nvidia/stream.h"

namespace attune::cuda {
namespace {

constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;  // what Hopper's kernels ask for

cudaDataType_t type_of(DType dtype) {
  if (dtype == DType::kFloat32) return CUDA_R_32F;
  CHECK(dtype == DType::kBFloat16, "matmul: no CUDA implementation for dtype ", name_of(dtype));
  return CUDA_R_16BF;
}

// What decides the algorithm.
using Shape = std::tuple<std::int64_t, std::int64_t, std::int64_t, bool, bool, bool, bool, DType, bool>;

bool all_aligned(const Matmul& args) {
  const auto bits = reinterpret_cast<std::uintptr_t>(args.a) | reinterpret_cast<std::uintptr_t>(args.b) |
                    reinterpret_cast<std::uintptr_t>(args.c) | reinterpret_cast<std::uintptr_t>(args.bias);
  return bits % 16 == 0;
}

// One shape's descriptors and algorithm.
struct Plan {
  cublasLtMatmulDesc_t product = nullptr;
  cublasLtMatrixLayout_t first = nullptr, second = nullptr, result = nullptr;
  cublasLtMatmulAlgo_t algorithm{};

  Plan(cublasLtHandle_t handle, const Matmul& args) {
    const cudaDataType_t type = type_of(args.dtype);
    CUDA_CHECK(cublasLtMatmulDescCreate(&product, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    set(CUBLASLT_MATMUL_DESC_TRANSA, args.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, args.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (args.bias != nullptr) {
      set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
      set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, type);
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, args.bias);
    }
    const auto layout = [&](cublasLtMatrixLayout_t& out, std::int64_t rows, std::int64_t columns) {
      CUDA_CHECK(cublasLtMatrixLayoutCreate(&out, type, static_cast<std::uint64_t>(rows),
                                            static_cast<std::uint64_t>(columns), rows));
    };
    args.transpose_b ? layout(first, args.k, args.n) : layout(first, args.n, args.k);
    args.transpose_a ? layout(second, args.m, args.k) : layout(second, args.k, args.m);
    layout(result, args.n, args.m);
    choose(handle, all_aligned(args) ? 16 : static_cast<std::uint32_t>(size_of(args.dtype)));
  }
  ~Plan() {
    cublasLtMatrixLayoutDestroy(result);
    cublasLtMatrixLayoutDestroy(second);
    cublasLtMatrixLayoutDestroy(first);
    cublasLtMatmulDescDestroy(product);
  }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  template <class V>
  void set(cublasLtMatmulDescAttributes_t attribute, const V& value) {
    CUDA_CHECK(cublasLtMatmulDescSetAttribute(product, attribute, &value, sizeof value));
  }

 private:
  void choose(cublasLtHandle_t handle, std::uint32_t alignment) {
    cublasLtMatmulPreference_t preference;
    CUDA_CHECK(cublasLtMatmulPreferenceCreate(&preference));
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
      CUDA_CHECK(cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof value));
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspaceBytes);
    for (auto attribute : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                           CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
      prefer(attribute, alignment);
    cublasLtMatmulHeuristicResult_t found{};
    int count = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(handle, product, first, second, result, result, preference, 1, &found, &count);
    cublasLtMatmulPreferenceDestroy(preference);
    CUDA_CHECK(status);
    CHECK(count == 1, "cuda: cuBLASLt has no algorithm for a matrix product");
    algorithm = found.algo;
  }
};

}  // namespace

struct MatmulPlans {
  cublasLtHandle_t handle = nullptr;
  std::mutex mutex;
  std::map<Shape, Plan> plans;

  MatmulPlans() { CUDA_CHECK(cublasLtCreate(&handle)); }
  ~MatmulPlans() {
    plans.clear();
    cublasLtDestroy(handle);
  }
};

std::shared_ptr<MatmulPlans> make_matmul_plans() { return std::make_shared<MatmulPlans>(); }

void matmul(const CudaContext& context, const Matmul& args) {
  if (args.m == 0 || args.n == 0) return;
  MatmulPlans& kept = context.matmul_plans();
  const std::scoped_lock lock(kept.mutex);
  const Shape shape{args.m,           args.n,           args.k,
                    args.transpose_a, args.transpose_b, args.bias != nullptr,
                    args.accumulate,  args.dtype,       all_aligned(args)};
  Plan& plan = kept.plans.try_emplace(shape, kept.handle, args).first->second;
  if (args.bias != nullptr) plan.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, args.bias);
  const float alpha = 1, beta = args.accumulate ? 1 : 0;
  const Scratch workspace(kWorkspaceBytes, context.stream());
  CUDA_CHECK(cublasLtMatmul(kept.handle, plan.product, &alpha, args.b, plan.first, args.a, plan.second, &beta, args.c,
                            plan.result, args.c, plan.result, &plan.algorithm, workspace.as<void>(), kWorkspaceBytes,
                            context.stream().state().stream));
}

}  // namespace attune::cuda
