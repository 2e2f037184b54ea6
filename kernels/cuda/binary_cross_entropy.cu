// Binary cross-entropy of logits (kernels/binary_cross_entropy.h).
//
// Forward: one block strides over all elements and adds their losses in a fixed order; a batch has few labels, so the
// time is launch time. Backward: a thread owns an element. Computed in float32. Deterministic.
#include "kernels/binary_cross_entropy.h"

#include "kernels/cuda/context.h"
#include "kernels/cuda/device/reduce.cuh"
#include "kernels/cuda/device/vec.cuh"
#include "kernels/cuda/dispatch.h"

namespace attune::kernels {
namespace {

using namespace device;

struct BinaryCrossEntropyTraits {
  static constexpr int kThreads = 256;
};

__device__ __forceinline__ float softplus(float z) {
  return fmaxf(z, 0.0f) + log1pf(expf(-fabsf(z)));
}

// The exponential is never above 1, and both sigmoid(z) and sigmoid(-z) come without cancellation.
__device__ __forceinline__ float sigmoid(float z) {
  const float e = expf(-fabsf(z));
  return (z >= 0 ? 1.0f : e) / (1 + e);
}

// An element's logit, and what it weighs as a positive and as a negative.
struct Element {
  float z, positive, negative;
};
template <class T>
__device__ __forceinline__ Element element(const T* logits, const float* labels, const float* pos_weights,
                                           std::int64_t i, int classes) {
  const float y = load_global(labels + i);
  return {to_f(load_global(logits + i)), pos_weights == nullptr ? y : load_global(pos_weights + i % classes) * y,
          1 - y};
}

template <class T>
__global__ void __launch_bounds__(BinaryCrossEntropyTraits::kThreads)
    binary_cross_entropy_forward_kernel(float* loss, const T* logits, const float* labels, const float* pos_weights,
                                        std::int64_t n, int classes) {
  float sum = 0;
  for (std::int64_t i = threadIdx.x; i < n; i += blockDim.x) {
    const Element e = element(logits, labels, pos_weights, i, classes);
    sum += e.positive * softplus(-e.z) + e.negative * softplus(e.z);
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) store_global(loss, sum / static_cast<float>(n));
}

template <class T>
__global__ void __launch_bounds__(BinaryCrossEntropyTraits::kThreads)
    binary_cross_entropy_backward_kernel(T* dlogits, bool accumulate, const float* dloss, const T* logits,
                                         const float* labels, const float* pos_weights, std::int64_t n, int classes) {
  const std::int64_t i = global_index();
  if (i >= n) return;
  const Element e = element(logits, labels, pos_weights, i, classes);
  const float factor = load_global(dloss) / static_cast<float>(n);
  float gradient[1] = {factor * (e.negative * sigmoid(e.z) - e.positive * sigmoid(-e.z))};
  store_gradient(dlogits + i, gradient, accumulate);
}

}  // namespace

void binary_cross_entropy_forward(const CudaContext& context, const BinaryCrossEntropyForward& args) {
  cuda::dispatch_device_float(args.dtype, "binary cross entropy", [&]<class T>() {
    cuda::launch("binary_cross_entropy_forward", binary_cross_entropy_forward_kernel<T>, {1},
                 {BinaryCrossEntropyTraits::kThreads}, 0, context.stream(), static_cast<float*>(args.loss),
                 static_cast<const T*>(args.logits), args.labels, static_cast<const float*>(args.pos_weights),
                 args.rows * args.classes, narrow<int>(args.classes));
  });
}

void binary_cross_entropy_backward(const CudaContext& context, const BinaryCrossEntropyBackward& args) {
  if (!args.dlogits) return;
  cuda::dispatch_device_float(args.dtype, "binary cross entropy backward", [&]<class T>() {
    const std::int64_t n = args.rows * args.classes;
    cuda::launch("binary_cross_entropy_backward", binary_cross_entropy_backward_kernel<T>,
                 {cuda::blocks_for(n, BinaryCrossEntropyTraits::kThreads)}, {BinaryCrossEntropyTraits::kThreads}, 0,
                 context.stream(), static_cast<T*>(args.dlogits.data), args.dlogits.accumulate(),
                 static_cast<const float*>(args.dloss), static_cast<const T*>(args.logits), args.labels,
                 static_cast<const float*>(args.pos_weights), n, narrow<int>(args.classes));
  });
}

}  // namespace attune::kernels
