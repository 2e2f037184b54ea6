// Softmax cross-entropy (kernels/cross_entropy.h).
//
// Forward: a warp owns a row, its lanes stride over the classes; the largest logit first, then the sum of exponentials,
// both by shuffles. A second kernel of one block adds the losses in a fixed order. Backward: a warp owns a row,
// recomputes its logsumexp and writes the row's gradient. A classifier has few rows and classes, so that all of this is
// launch time. Losses are float32 for bfloat16 logits. Deterministic.
#include "kernels/cross_entropy.h"

#include "kernels/cuda/device/reduce.cuh"
#include "kernels/cuda/device/vec.cuh"
#include "kernels/cuda/dispatch.h"

namespace attune::kernels {
namespace {

using namespace device;

struct Traits {
  static constexpr int kThreads = 128;
  static constexpr int kRows = kThreads / kWarp;  // of a block
};

template <class T>
__device__ float logit(const T* z, int l) {
  return to_f(load_global(z + l));
}

// log sum_l exp(z[l]) for the whole warp.
template <class T>
__device__ float log_sum_exp(const T* z, int classes) {
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  float largest = -INFINITY, sum = 0;
  for (int l = lane; l < classes; l += kWarp) largest = fmaxf(largest, logit(z, l));
  largest = warp_max(largest);
  for (int l = lane; l < classes; l += kWarp) sum += expf(logit(z, l) - largest);
  return largest + logf(warp_sum(sum));
}

template <class T>
__global__ void __launch_bounds__(Traits::kThreads)
    cross_entropy_forward_kernel(float* losses, const T* logits, const std::int32_t* labels, std::int64_t rows,
                                 int classes) {
  const std::int64_t b = static_cast<std::int64_t>(blockIdx.x) * Traits::kRows + threadIdx.x / kWarp;
  if (b >= rows) return;
  const T* z = logits + b * classes;
  const float lse = log_sum_exp(z, classes);
  if (threadIdx.x % kWarp == 0) store_global(losses + b, lse - logit(z, load_global(labels + b)));
}

__global__ void __launch_bounds__(Traits::kThreads) mean_kernel(float* mean, const float* x, std::int64_t n) {
  float sum = 0;
  for (std::int64_t i = threadIdx.x; i < n; i += blockDim.x) sum += load_global(x + i);
  sum = block_sum(sum);
  if (threadIdx.x == 0) store_global(mean, sum / static_cast<float>(n));
}

template <class T>
__global__ void __launch_bounds__(Traits::kThreads)
    cross_entropy_backward_kernel(T* dlogits, bool accumulate, const float* dloss, const T* logits,
                                  const std::int32_t* labels, std::int64_t rows, int classes) {
  const std::int64_t b = static_cast<std::int64_t>(blockIdx.x) * Traits::kRows + threadIdx.x / kWarp;
  if (b >= rows) return;
  const T* z = logits + b * classes;
  const float lse = log_sum_exp(z, classes), factor = load_global(dloss) / static_cast<float>(rows);
  const int label = load_global(labels + b);
  for (int l = static_cast<int>(threadIdx.x % kWarp); l < classes; l += kWarp) {
    float gradient[1] = {factor * (expf(logit(z, l) - lse) - (l == label ? 1.0f : 0.0f))};
    store_gradient(dlogits + b * classes + l, gradient, accumulate);
  }
}

}  // namespace

void cross_entropy_forward(const CudaContext& context, const CrossEntropyForward& args) {
  cuda::dispatch_device_float(args.dtype, "cross entropy", [&]<class T>() {
    float* losses = static_cast<float*>(args.losses);
    cuda::launch("cross_entropy_forward", cross_entropy_forward_kernel<T>, {cuda::blocks_for(args.rows, Traits::kRows)},
                 {Traits::kThreads}, 0, context.stream(), losses, static_cast<const T*>(args.logits), args.labels,
                 args.rows, narrow<int>(args.classes));
    cuda::launch("cross_entropy_mean", mean_kernel, {1}, {Traits::kThreads}, 0, context.stream(),
                 static_cast<float*>(args.loss), losses, args.rows);
  });
}

void cross_entropy_backward(const CudaContext& context, const CrossEntropyBackward& args) {
  if (!args.dlogits) return;
  cuda::dispatch_device_float(args.dtype, "cross entropy backward", [&]<class T>() {
    cuda::launch("cross_entropy_backward", cross_entropy_backward_kernel<T>,
                 {cuda::blocks_for(args.rows, Traits::kRows)}, {Traits::kThreads}, 0, context.stream(),
                 static_cast<T*>(args.dlogits.data), args.dlogits.accumulate(), static_cast<const float*>(args.dloss),
                 static_cast<const T*>(args.logits), args.labels, args.rows, narrow<int>(args.classes));
  });
}

}  // namespace attune::kernels
