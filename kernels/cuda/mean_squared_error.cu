// Mean squared error (kernels/mean_squared_error.h).
//
// Forward: one block strides over all elements and adds their squares in a fixed order; a batch has few labels, so the
// time is launch time. Backward: a thread owns an element. Computed in float32. Deterministic.
#include "kernels/mean_squared_error.h"

#include "kernels/cuda/context.h"
#include "kernels/cuda/device/reduce.cuh"
#include "kernels/cuda/device/vec.cuh"
#include "kernels/cuda/dispatch.h"

namespace attune::kernels {
namespace {

using namespace device;

struct MeanSquaredErrorTraits {
  static constexpr int kThreads = 256;
};

template <class T>
__global__ void __launch_bounds__(MeanSquaredErrorTraits::kThreads)
    mean_squared_error_forward_kernel(float* loss, const T* predictions, const float* labels, std::int64_t n) {
  float sum = 0;
  for (std::int64_t i = threadIdx.x; i < n; i += blockDim.x) {
    const float error = to_f(load_global(predictions + i)) - load_global(labels + i);
    sum += error * error;
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) store_global(loss, sum / static_cast<float>(n));
}

template <class T>
__global__ void __launch_bounds__(MeanSquaredErrorTraits::kThreads)
    mean_squared_error_backward_kernel(T* dpredictions, bool accumulate, const float* dloss, const T* predictions,
                                       const float* labels, std::int64_t n) {
  const std::int64_t i = global_index();
  if (i >= n) return;
  const float factor = 2 * load_global(dloss) / static_cast<float>(n);
  float gradient[1] = {factor * (to_f(load_global(predictions + i)) - load_global(labels + i))};
  store_gradient(dpredictions + i, gradient, accumulate);
}

}  // namespace

void mean_squared_error_forward(const CudaContext& context, const MeanSquaredErrorForward& args) {
  cuda::dispatch_device_float(args.dtype, "mean squared error", [&]<class T>() {
    cuda::launch("mean_squared_error_forward", mean_squared_error_forward_kernel<T>, {1},
                 {MeanSquaredErrorTraits::kThreads}, 0, context.stream(), static_cast<float*>(args.loss),
                 static_cast<const T*>(args.predictions), args.labels, args.n);
  });
}

void mean_squared_error_backward(const CudaContext& context, const MeanSquaredErrorBackward& args) {
  if (!args.dpredictions) return;
  cuda::dispatch_device_float(args.dtype, "mean squared error backward", [&]<class T>() {
    cuda::launch("mean_squared_error_backward", mean_squared_error_backward_kernel<T>,
                 {cuda::blocks_for(args.n, MeanSquaredErrorTraits::kThreads)}, {MeanSquaredErrorTraits::kThreads}, 0,
                 context.stream(), static_cast<T*>(args.dpredictions.data), args.dpredictions.accumulate(),
                 static_cast<const float*>(args.dloss), static_cast<const T*>(args.predictions), args.labels, args.n);
  });
}

}  // namespace attune::kernels
