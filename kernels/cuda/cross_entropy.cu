// Softmax cross-entropy (kernels/cross_entropy.h).
//
// Forward: a warp owns a row, its lanes stride over the classes; the largest logit first, then the sum of exponentials,
// both by shuffles. A second kernel of one block adds the losses and the weights of the labels in a fixed order.
// Backward: a warp owns a row, recomputes its logsumexp and writes the row's gradient. A classifier has few rows and
// classes, so the time is launch time. Losses are float32 for bfloat16 logits. Deterministic.
#include "kernels/cross_entropy.h"

#include "kernels/cuda/context.h"
#include "kernels/cuda/device/reduce.cuh"
#include "kernels/cuda/device/vec.cuh"
#include "kernels/cuda/dispatch.h"

namespace attune::kernels {
namespace {

using namespace device;

struct CrossEntropyTraits {
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

// The targets q[b, l] of a batch.
struct Targets {
  const float* class_weights;  // [L] or null
  float smoothing, per_class;  // s, s / L

  __device__ float weight(int l) const { return class_weights == nullptr ? 1.0f : load_global(class_weights + l); }
  // (1 - s) w[label].
  __device__ float on_label(int label) const { return (1 - smoothing) * weight(label); }
};

template <class Args>
Targets targets_of(const Args& args) {
  return {static_cast<const float*>(args.class_weights), static_cast<float>(args.label_smoothing),
          static_cast<float>(args.label_smoothing / static_cast<double>(args.classes))};
}

template <class T>
__global__ void __launch_bounds__(CrossEntropyTraits::kThreads)
    cross_entropy_forward_kernel(float* losses, const T* logits, const std::int32_t* labels, Targets targets,
                                 std::int64_t rows, int classes) {
  const std::int64_t b = static_cast<std::int64_t>(blockIdx.x) * CrossEntropyTraits::kRows + threadIdx.x / kWarp;
  if (b >= rows) return;
  const T* z = logits + b * classes;
  const int lane = static_cast<int>(threadIdx.x % kWarp), label = load_global(labels + b);
  const float lse = log_sum_exp(z, classes);
  float loss = targets.on_label(label) * (lse - logit(z, label));
  if (targets.smoothing > 0) {
    float sum = 0;
    for (int l = lane; l < classes; l += kWarp) sum += targets.weight(l) * (lse - logit(z, l));
    loss += targets.per_class * warp_sum(sum);
  }
  if (lane == 0) store_global(losses + b, loss);
}

__global__ void __launch_bounds__(CrossEntropyTraits::kThreads)
    cross_entropy_mean_kernel(float* loss, float* total_weight, const float* losses, const std::int32_t* labels,
                              Targets targets, std::int64_t rows) {
  float sum = 0, weight = 0;
  for (std::int64_t b = threadIdx.x; b < rows; b += blockDim.x) {
    sum += load_global(losses + b);
    weight += targets.weight(load_global(labels + b));
  }
  sum = block_sum(sum);
  weight = block_sum(weight);
  if (threadIdx.x != 0) return;
  if (weight == 0) weight = INFINITY;
  store_global(loss, sum / weight);
  store_global(total_weight, weight);
}

template <class T>
__global__ void __launch_bounds__(CrossEntropyTraits::kThreads)
    cross_entropy_backward_kernel(T* dlogits, bool accumulate, const float* dloss, const float* total_weight,
                                  const T* logits, const std::int32_t* labels, Targets targets, std::int64_t rows,
                                  int classes) {
  const std::int64_t b = static_cast<std::int64_t>(blockIdx.x) * CrossEntropyTraits::kRows + threadIdx.x / kWarp;
  if (b >= rows) return;
  const T* z = logits + b * classes;
  const int lane = static_cast<int>(threadIdx.x % kWarp), label = load_global(labels + b);
  const float lse = log_sum_exp(z, classes), factor = load_global(dloss) / load_global(total_weight);
  const float on_label = targets.on_label(label);
  float total = on_label;
  if (targets.smoothing > 0) {
    float sum = 0;
    for (int l = lane; l < classes; l += kWarp) sum += targets.weight(l);
    total += targets.per_class * warp_sum(sum);
  }
  for (int l = lane; l < classes; l += kWarp) {
    const float target = (l == label ? on_label : 0.0f) + targets.per_class * targets.weight(l);
    float gradient[1] = {factor * (total * expf(logit(z, l) - lse) - target)};
    store_gradient(dlogits + b * classes + l, gradient, accumulate);
  }
}

}  // namespace

void cross_entropy_forward(const CudaContext& context, const CrossEntropyForward& args) {
  cuda::dispatch_device_float(args.dtype, "cross entropy", [&]<class T>() {
    float* losses = static_cast<float*>(args.losses);
    const Targets targets = targets_of(args);
    cuda::launch("cross_entropy_forward", cross_entropy_forward_kernel<T>,
                 {cuda::blocks_for(args.rows, CrossEntropyTraits::kRows)}, {CrossEntropyTraits::kThreads}, 0,
                 context.stream(), losses, static_cast<const T*>(args.logits), args.labels, targets, args.rows,
                 narrow<int>(args.classes));
    cuda::launch("cross_entropy_mean", cross_entropy_mean_kernel, {1}, {CrossEntropyTraits::kThreads}, 0,
                 context.stream(), static_cast<float*>(args.loss), static_cast<float*>(args.total_weight), losses,
                 args.labels, targets, args.rows);
  });
}

void cross_entropy_backward(const CudaContext& context, const CrossEntropyBackward& args) {
  if (!args.dlogits) return;
  cuda::dispatch_device_float(args.dtype, "cross entropy backward", [&]<class T>() {
    cuda::launch("cross_entropy_backward", cross_entropy_backward_kernel<T>,
                 {cuda::blocks_for(args.rows, CrossEntropyTraits::kRows)}, {CrossEntropyTraits::kThreads}, 0,
                 context.stream(), static_cast<T*>(args.dlogits.data), args.dlogits.accumulate(),
                 static_cast<const float*>(args.dloss), static_cast<const float*>(args.total_weight),
                 static_cast<const T*>(args.logits), args.labels, targets_of(args), args.rows,
                 narrow<int>(args.classes));
  });
}

}  // namespace attune::kernels
