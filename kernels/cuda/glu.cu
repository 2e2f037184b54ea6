// y[n, i] = f(u[n, i]) u[n, I + i], and its gradient.
//
// A thread owns one vector of channels of one row in both halves, a block 128 of them; grid (rows, vectors of a row /
// 128). Computed in float32. Deterministic. Forward moves 3 N I elements, backward 5 N I: bound by memory bandwidth.
#include "kernels/glu.h"

#include "kernels/cuda/device/math.cuh"
#include "kernels/cuda/device/vec.cuh"
#include "kernels/cuda/dispatch.h"

namespace attune {
namespace {

using namespace device;

struct Traits {
  static constexpr int kThreads = 128;
};

// This thread's first channel.
template <int W>
__device__ std::int64_t own_channel() {
  return (static_cast<std::int64_t>(blockIdx.y) * blockDim.x + threadIdx.x) * W;
}

template <class T, int W, Activation kind>
__global__ void __launch_bounds__(Traits::kThreads) glu_forward_kernel(T* y, const T* u, std::int64_t channels) {
  const std::int64_t i = own_channel<W>(), n = blockIdx.x;
  if (i >= channels) return;
  float a[W], gate[W];
  load(a, u + n * 2 * channels + i);
  load(gate, u + n * 2 * channels + channels + i);
  for (int j = 0; j < W; ++j) a[j] = activate<kind>(a[j]).value * gate[j];
  store(y + n * channels + i, a);
}

template <class T, int W, Activation kind>
__global__ void __launch_bounds__(Traits::kThreads)
    glu_backward_kernel(T* du, const T* dy, const T* u, std::int64_t channels, bool accumulate) {
  const std::int64_t i = own_channel<W>(), n = blockIdx.x;
  if (i >= channels) return;
  float a[W], gate[W], g[W];
  load(a, u + n * 2 * channels + i);
  load(gate, u + n * 2 * channels + channels + i);
  load(g, dy + n * channels + i);
  for (int j = 0; j < W; ++j) {
    const ValueAndSlope f = activate<kind>(a[j]);
    a[j] = g[j] * gate[j] * f.slope;
    gate[j] = g[j] * f.value;
  }
  store_gradient(du + n * 2 * channels + i, a, accumulate);
  store_gradient(du + n * 2 * channels + channels + i, gate, accumulate);
}

cuda::Dim3 grid_of(std::int64_t rows, std::int64_t channels, int width) {
  return {narrow<unsigned>(rows), cuda::blocks_for(channels, Traits::kThreads * width)};
}

}  // namespace

void glu_forward(const CudaContext& context, const GluForward& args) {
  cuda::dispatch_device_float(args.dtype, "glu", [&]<class T>() {
    cuda::dispatch_activation(args.kind, [&]<Activation kind>() {
      cuda::with_width<T>(args.channels % cuda::kVectorWidth<T> == 0 && cuda::aligned(args.y, args.u), [&](auto width) {
        constexpr int W = decltype(width)::value;
        cuda::launch("glu_forward", glu_forward_kernel<T, W, kind>, grid_of(args.rows, args.channels, W),
                     {Traits::kThreads}, 0, context.stream(), static_cast<T*>(args.y), static_cast<const T*>(args.u),
                     args.channels);
      });
    });
  });
}

void glu_backward(const CudaContext& context, const GluBackward& args) {
  if (!args.du) return;
  cuda::dispatch_device_float(args.dtype, "glu backward", [&]<class T>() {
    cuda::dispatch_activation(args.kind, [&]<Activation kind>() {
      cuda::with_width<T>(args.channels % cuda::kVectorWidth<T> == 0 && cuda::aligned(args.du.data, args.dy, args.u),
                          [&](auto width) {
                            constexpr int W = decltype(width)::value;
                            cuda::launch("glu_backward", glu_backward_kernel<T, W, kind>,
                                         grid_of(args.rows, args.channels, W), {Traits::kThreads}, 0, context.stream(),
                                         static_cast<T*>(args.du.data), static_cast<const T*>(args.dy),
                                         static_cast<const T*>(args.u), args.channels, args.du.accumulate());
                          });
    });
  });
}

}  // namespace attune
