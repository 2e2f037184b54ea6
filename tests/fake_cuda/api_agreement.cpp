// What the headers of this folder declare. Compiled with them, and, where the CUDA toolkit is, with the toolkit's own:
// both must agree.
#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <cstdint>
#include <type_traits>

namespace attune::fake_cuda::api_agreement {

// The value and the type of a name.
static_assert(cudaSuccess == 0 && cudaErrorInvalidValue == 1 && cudaErrorMemoryAllocation == 2);
static_assert(cudaErrorInvalidConfiguration == 9 && cudaErrorInsufficientDriver == 35);
static_assert(cudaErrorInvalidDeviceFunction == 98 && cudaErrorNoDevice == 100);
static_assert(cudaErrorNoKernelImageForDevice == 209 && cudaErrorInvalidResourceHandle == 400);
static_assert(cudaErrorIllegalState == 401 && cudaErrorNotReady == 600 && cudaErrorIllegalAddress == 700);
static_assert(cudaErrorStreamCaptureUnsupported == 900 && cudaErrorStreamCaptureInvalidated == 901);
static_assert(cudaErrorStreamCaptureMerge == 902 && cudaErrorStreamCaptureUnmatched == 903);
static_assert(cudaErrorStreamCaptureUnjoined == 904 && cudaErrorStreamCaptureIsolation == 905);
static_assert(cudaErrorStreamCaptureImplicit == 906 && cudaErrorCapturedEvent == 907);
static_assert(cudaErrorStreamCaptureWrongThread == 908 && cudaErrorUnknown == 999);
static_assert(cudaMemcpyHostToDevice == 1 && cudaMemcpyDeviceToHost == 2 && cudaMemcpyDeviceToDevice == 3);
static_assert(cudaDevAttrComputeCapabilityMajor == 75 && cudaDevAttrComputeCapabilityMinor == 76);
static_assert(cudaFuncAttributeMaxDynamicSharedMemorySize == 8);
static_assert(cudaStreamCaptureModeGlobal == 0 && cudaStreamCaptureModeThreadLocal == 1);
static_assert(cudaStreamCaptureModeRelaxed == 2);
static_assert(cudaStreamDefault == 0 && cudaStreamNonBlocking == 1);
static_assert(cudaEventDefault == 0 && cudaEventDisableTiming == 2);

static_assert(CUDA_R_32F == 0 && CUDA_R_16F == 2 && CUDA_R_16BF == 14);
static_assert(CUBLAS_STATUS_SUCCESS == 0 && CUBLAS_STATUS_NOT_INITIALIZED == 1 && CUBLAS_STATUS_ALLOC_FAILED == 3);
static_assert(CUBLAS_STATUS_INVALID_VALUE == 7 && CUBLAS_STATUS_ARCH_MISMATCH == 8);
static_assert(CUBLAS_STATUS_EXECUTION_FAILED == 13 && CUBLAS_STATUS_INTERNAL_ERROR == 14);
static_assert(CUBLAS_STATUS_NOT_SUPPORTED == 15);
static_assert(CUBLAS_OP_N == 0 && CUBLAS_OP_T == 1 && CUBLAS_OP_C == 2);
static_assert(CUBLAS_COMPUTE_16F == 64 && CUBLAS_COMPUTE_32F == 68 && CUBLAS_COMPUTE_32F_FAST_TF32 == 77);
static_assert(CUBLASLT_MATMUL_DESC_COMPUTE_TYPE == 0 && CUBLASLT_MATMUL_DESC_SCALE_TYPE == 1);
static_assert(CUBLASLT_MATMUL_DESC_TRANSA == 3 && CUBLASLT_MATMUL_DESC_TRANSB == 4);
static_assert(CUBLASLT_MATMUL_DESC_EPILOGUE == 7 && CUBLASLT_MATMUL_DESC_BIAS_POINTER == 8);
static_assert(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE == 26);
static_assert(CUBLASLT_EPILOGUE_DEFAULT == 1 && CUBLASLT_EPILOGUE_RELU == 2 && CUBLASLT_EPILOGUE_BIAS == 4);
static_assert(CUBLASLT_MATRIX_LAYOUT_TYPE == 0 && CUBLASLT_MATRIX_LAYOUT_ROWS == 2);
static_assert(CUBLASLT_MATRIX_LAYOUT_COLS == 3 && CUBLASLT_MATRIX_LAYOUT_LD == 4);
static_assert(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES == 1 && CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK == 3);
static_assert(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES == 5 && CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES == 6);
static_assert(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES == 7 && CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES == 8);
static_assert(CUBLASLT_REDUCTION_SCHEME_NONE == 0 && CUBLASLT_REDUCTION_SCHEME_INPLACE == 1);
static_assert(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE == 2 && CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE == 4);
static_assert(sizeof(cublasLtMatmulAlgo_t) == 64 && sizeof(cublasLtMatmulAlgo_t::data) == 64);

using Status = cudaError_t;
static_assert(std::is_same_v<decltype(&cudaMalloc), Status (*)(void**, std::size_t)>);
static_assert(std::is_same_v<decltype(&cudaFree), Status (*)(void*)>);
static_assert(std::is_same_v<decltype(&cudaMallocHost), Status (*)(void**, std::size_t)>);
static_assert(std::is_same_v<decltype(&cudaFreeHost), Status (*)(void*)>);
static_assert(std::is_same_v<decltype(&cudaMemGetInfo), Status (*)(std::size_t*, std::size_t*)>);
static_assert(std::is_same_v<decltype(&cudaMemcpyAsync),
                             Status (*)(void*, const void*, std::size_t, cudaMemcpyKind, cudaStream_t)>);
static_assert(std::is_same_v<decltype(&cudaMemsetAsync), Status (*)(void*, int, std::size_t, cudaStream_t)>);
static_assert(std::is_same_v<decltype(&cudaGetDeviceCount), Status (*)(int*)>);
static_assert(std::is_same_v<decltype(&cudaDeviceGetAttribute), Status (*)(int*, cudaDeviceAttr, int)>);
static_assert(std::is_same_v<decltype(&cudaGetDeviceProperties), Status (*)(cudaDeviceProp*, int)>);
static_assert(std::is_same_v<decltype(&cudaDriverGetVersion), Status (*)(int*)>);
static_assert(std::is_same_v<decltype(&cudaDeviceGetStreamPriorityRange), Status (*)(int*, int*)>);
static_assert(std::is_same_v<decltype(&cudaDeviceSynchronize), Status (*)()>);
static_assert(std::is_same_v<decltype(&cudaStreamCreateWithPriority), Status (*)(cudaStream_t*, unsigned, int)>);
static_assert(std::is_same_v<decltype(&cudaStreamDestroy), Status (*)(cudaStream_t)>);
static_assert(std::is_same_v<decltype(&cudaStreamSynchronize), Status (*)(cudaStream_t)>);
static_assert(std::is_same_v<decltype(&cudaStreamWaitEvent), Status (*)(cudaStream_t, cudaEvent_t, unsigned)>);
static_assert(std::is_same_v<decltype(&cudaEventCreate), Status (*)(cudaEvent_t*)>);
static_assert(std::is_same_v<decltype(&cudaEventCreateWithFlags), Status (*)(cudaEvent_t*, unsigned)>);
static_assert(std::is_same_v<decltype(&cudaEventDestroy), Status (*)(cudaEvent_t)>);
static_assert(std::is_same_v<decltype(&cudaEventRecord), Status (*)(cudaEvent_t, cudaStream_t)>);
static_assert(std::is_same_v<decltype(&cudaEventSynchronize), Status (*)(cudaEvent_t)>);
static_assert(std::is_same_v<decltype(&cudaEventElapsedTime), Status (*)(float*, cudaEvent_t, cudaEvent_t)>);
static_assert(std::is_same_v<decltype(&cudaStreamBeginCapture), Status (*)(cudaStream_t, cudaStreamCaptureMode)>);
static_assert(std::is_same_v<decltype(&cudaStreamEndCapture), Status (*)(cudaStream_t, cudaGraph_t*)>);
static_assert(
    std::is_same_v<decltype(&cudaGraphInstantiate), Status (*)(cudaGraphExec_t*, cudaGraph_t, unsigned long long)>);
static_assert(std::is_same_v<decltype(&cudaGraphLaunch), Status (*)(cudaGraphExec_t, cudaStream_t)>);
static_assert(std::is_same_v<decltype(&cudaGraphDestroy), Status (*)(cudaGraph_t)>);
static_assert(std::is_same_v<decltype(&cudaGraphExecDestroy), Status (*)(cudaGraphExec_t)>);
static_assert(std::is_same_v<decltype(&cudaFuncGetAttributes), Status (*)(cudaFuncAttributes*, const void*)>);
static_assert(std::is_same_v<decltype(&cudaFuncSetAttribute), Status (*)(const void*, cudaFuncAttribute, int)>);
static_assert(std::is_same_v<decltype(&cudaLaunchKernel),
                             Status (*)(const void*, dim3, dim3, void**, std::size_t, cudaStream_t)>);

using Result = cublasStatus_t;
using Product = cublasLtMatmulDesc_t;
using Layout = cublasLtMatrixLayout_t;
static_assert(std::is_same_v<decltype(&cublasLtGetVersion), std::size_t (*)()>);
static_assert(std::is_same_v<decltype(&cublasLtCreate), Result (*)(cublasLtHandle_t*)>);
static_assert(std::is_same_v<decltype(&cublasLtDestroy), Result (*)(cublasLtHandle_t)>);
static_assert(
    std::is_same_v<decltype(&cublasLtMatmulDescCreate), Result (*)(Product*, cublasComputeType_t, cudaDataType_t)>);
static_assert(std::is_same_v<decltype(&cublasLtMatmulDescSetAttribute),
                             Result (*)(Product, cublasLtMatmulDescAttributes_t, const void*, std::size_t)>);
static_assert(std::is_same_v<decltype(&cublasLtMatrixLayoutCreate),
                             Result (*)(Layout*, cudaDataType_t, std::uint64_t, std::uint64_t, std::int64_t)>);
static_assert(std::is_same_v<decltype(&cublasLtMatrixLayoutGetAttribute),
                             Result (*)(Layout, cublasLtMatrixLayoutAttribute_t, void*, std::size_t, std::size_t*)>);
static_assert(std::is_same_v<decltype(&cublasLtMatmulPreferenceSetAttribute),
                             Result (*)(cublasLtMatmulPreference_t, cublasLtMatmulPreferenceAttributes_t, const void*,
                                        std::size_t)>);
static_assert(std::is_same_v<decltype(&cublasLtMatmulAlgoGetHeuristic),
                             Result (*)(cublasLtHandle_t, Product, Layout, Layout, Layout, Layout,
                                        cublasLtMatmulPreference_t, int, cublasLtMatmulHeuristicResult_t[], int*)>);
static_assert(std::is_same_v<decltype(&cublasLtMatmulAlgoCheck),
                             Result (*)(cublasLtHandle_t, Product, Layout, Layout, Layout, Layout,
                                        const cublasLtMatmulAlgo_t*, cublasLtMatmulHeuristicResult_t*)>);
static_assert(std::is_same_v<decltype(&cublasLtMatmul),
                             Result (*)(cublasLtHandle_t, Product, const void*, const void*, Layout, const void*,
                                        Layout, const void*, const void*, Layout, void*, Layout,
                                        const cublasLtMatmulAlgo_t*, void*, std::size_t, cudaStream_t)>);

}  // namespace attune::fake_cuda::api_agreement
