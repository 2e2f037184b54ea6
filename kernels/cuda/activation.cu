// y = f(x);  dx (+)= dy f'(x), f' recomputed from x.
//
// A thread owns one 16-byte vector (or one element if alignment or size does not allow vectors), a block 256 of them.
// Computed in float32. Deterministic. Forward moves 2 n elements, backward 3 n (4 n accumulating): bound by memory
// bandwidth.
#include "kernels/activation.h"

#include "kernels/cuda/context.h"
#include "kernels/cuda/device/activation.cuh"
#include "kernels/cuda/device/vec.cuh"
#include "kernels/cuda/dispatch.h"

namespace attune::kernels {
namespace {

using namespace device;

struct ActivationTraits {
  static constexpr int kThreads = 256;
};

template <class T, int W, Activation kind>
__global__ void __launch_bounds__(ActivationTraits::kThreads)
    activation_forward_kernel(T* y, const T* x, std::int64_t n) {
  const std::int64_t at = global_index() * W;
  if (at >= n) return;
  float v[W];
  load(v, x + at);
  for (int i = 0; i < W; ++i) v[i] = activate<kind, T>(v[i]).value;
  store(y + at, v);
}

template <class T, int W, Activation kind>
__global__ void __launch_bounds__(ActivationTraits::kThreads)
    activation_backward_kernel(T* dx, const T* dy, const T* x, std::int64_t n, bool accumulate) {
  const std::int64_t at = global_index() * W;
  if (at >= n) return;
  float v[W], g[W];
  load(v, x + at);
  load(g, dy + at);
  for (int i = 0; i < W; ++i) g[i] *= activate<kind, T>(v[i]).slope;
  store_gradient(dx + at, g, accumulate);
}

}  // namespace

void activation_forward(const CudaContext& context, const ActivationForward& args) {
  cuda::dispatch_device_float(args.dtype, "activation", [&]<class T>() {
    cuda::dispatch_activation(args.kind, [&]<Activation kind>() {
      cuda::with_width<T>(args.n % cuda::kVectorWidth<T> == 0 && cuda::aligned(args.y, args.x), [&](auto width) {
        constexpr int W = decltype(width)::value;
        cuda::launch("activation_forward", activation_forward_kernel<T, W, kind>,
                     {cuda::blocks_for(args.n, ActivationTraits::kThreads * W)}, {ActivationTraits::kThreads}, 0,
                     context.stream(), static_cast<T*>(args.y), static_cast<const T*>(args.x), args.n);
      });
    });
  });
}

void activation_backward(const CudaContext& context, const ActivationBackward& args) {
  if (!args.dx) return;
  cuda::dispatch_device_float(args.dtype, "activation backward", [&]<class T>() {
    cuda::dispatch_activation(args.kind, [&]<Activation kind>() {
      cuda::with_width<T>(
          args.n % cuda::kVectorWidth<T> == 0 && cuda::aligned(args.dx.data, args.dy, args.x), [&](auto width) {
            constexpr int W = decltype(width)::value;
            cuda::launch("activation_backward", activation_backward_kernel<T, W, kind>,
                         {cuda::blocks_for(args.n, ActivationTraits::kThreads * W)}, {ActivationTraits::kThreads}, 0,
                         context.stream(), static_cast<T*>(args.dx.data), static_cast<const T*>(args.dy),
                         static_cast<const T*>(args.x), args.n, args.dx.accumulate());
          });
    });
  });
}

}  // namespace attune::kernels
