// y[n, i] = f(u[n, i]) u[n, I + i], and its gradient.
//
// A thread owns one vector of channels of one row in both halves, a block 128 of them (rows.cuh). Computed in float32.
// Deterministic. Forward moves 3 N I elements, backward 5 N I: bound by memory bandwidth.
#include "kernels/glu.h"

#include "kernels/cuda/context.h"
#include "kernels/cuda/device/activation.cuh"
#include "kernels/cuda/device/rows.cuh"
#include "kernels/cuda/device/vec.cuh"
#include "kernels/cuda/dispatch.h"

namespace attune::kernels {
namespace {

using namespace device;

struct GluTraits {
  static constexpr int kThreads = 128;
};

template <class T, int W, Activation kind>
__global__ void __launch_bounds__(GluTraits::kThreads) glu_forward_kernel(T* y, const T* u, RowVectors vectors) {
  const std::int64_t channels = static_cast<std::int64_t>(vectors.per_row) * W;
  std::int64_t n, i;
  if (!vectors.own<W>(n, i)) return;
  float a[W], gate[W];
  load(a, u + n * 2 * channels + i);
  load(gate, u + n * 2 * channels + channels + i);
  for (int j = 0; j < W; ++j) a[j] = activate<kind, T>(a[j]).value * gate[j];
  store(y + n * channels + i, a);
}

template <class T, int W, Activation kind>
__global__ void __launch_bounds__(GluTraits::kThreads)
    glu_backward_kernel(T* du, const T* dy, const T* u, RowVectors vectors, bool accumulate) {
  const std::int64_t channels = static_cast<std::int64_t>(vectors.per_row) * W;
  std::int64_t n, i;
  if (!vectors.own<W>(n, i)) return;
  float a[W], gate[W], g[W];
  load(a, u + n * 2 * channels + i);
  load(gate, u + n * 2 * channels + channels + i);
  load(g, dy + n * channels + i);
  for (int j = 0; j < W; ++j) {
    const ValueAndSlope f = activate<kind, T>(a[j]);
    a[j] = g[j] * gate[j] * f.slope;
    gate[j] = g[j] * f.value;
  }
  store_gradient(du + n * 2 * channels + i, a, accumulate);
  store_gradient(du + n * 2 * channels + channels + i, gate, accumulate);
}

}  // namespace

void glu_forward(const CudaContext& context, const GluForward& args) {
  cuda::dispatch_device_float(args.dtype, "glu", [&]<class T>() {
    cuda::dispatch_activation(args.kind, [&]<Activation kind>() {
      cuda::with_width<T>(args.channels % cuda::kVectorWidth<T> == 0 && cuda::aligned(args.y, args.u), [&](auto width) {
        constexpr int W = decltype(width)::value;
        const auto vectors = RowVectors::of(args.rows, args.channels, W);
        cuda::launch("glu_forward", glu_forward_kernel<T, W, kind>, {vectors.blocks(GluTraits::kThreads)},
                     {GluTraits::kThreads}, 0, context.stream(), static_cast<T*>(args.y), static_cast<const T*>(args.u),
                     vectors);
      });
    });
  });
}

void glu_backward(const CudaContext& context, const GluBackward& args) {
  if (!args.du) return;
  cuda::dispatch_device_float(args.dtype, "glu backward", [&]<class T>() {
    cuda::dispatch_activation(args.kind, [&]<Activation kind>() {
      cuda::with_width<T>(
          args.channels % cuda::kVectorWidth<T> == 0 && cuda::aligned(args.du.data, args.dy, args.u), [&](auto width) {
            constexpr int W = decltype(width)::value;
            const auto vectors = RowVectors::of(args.rows, args.channels, W);
            cuda::launch("glu_backward", glu_backward_kernel<T, W, kind>, {vectors.blocks(GluTraits::kThreads)},
                         {GluTraits::kThreads}, 0, context.stream(), static_cast<T*>(args.du.data),
                         static_cast<const T*>(args.dy), static_cast<const T*>(args.u), vectors, args.du.accumulate());
          });
    });
  });
}

}  // namespace attune::kernels
