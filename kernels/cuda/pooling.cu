// y[b] = mean of the rows of a range, and its gradient (kernels/pooling.h).
//
// Forward: a block owns 32 vectors of channels of one sequence; thread (i, j) adds every eighth row from j on, then the
// eight sums of a channel are added through shared memory (at most 8 KiB). Backward: a block owns a row; every thread
// finds the row's range by bisection (the same for all, from the caches) and writes one vector. Deterministic. Bound by
// memory.
#include "kernels/pooling.h"

#include "kernels/cuda/device/vec.cuh"
#include "kernels/cuda/dispatch.h"

namespace attune {
namespace {

using namespace device;

struct Traits {
  static constexpr int kColumns = 32, kRows = 8;  // forward block
  static constexpr int kThreads = 128;            // backward block
};

template <int W>
struct Partials {
  alignas(16) float sums[Traits::kRows][Traits::kColumns * W];
};

template <class T, int W>
__global__ void __launch_bounds__(Traits::kColumns* Traits::kRows)
    pool_forward_kernel(T* y, const T* x, const std::int32_t* begins, const std::int32_t* ends, std::int64_t channels) {
  Partials<W>& partials = shared_variable<Partials<W>>();
  const std::int64_t b = blockIdx.x;
  const int own = static_cast<int>(threadIdx.x) * W, begin = load_global(begins + b), end = load_global(ends + b);
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.y) * Traits::kColumns * W + own;
  float sums[W] = {};
  if (c < channels)
    for (int n = begin + static_cast<int>(threadIdx.y); n < end; n += Traits::kRows) {
      float v[W];
      load(v, x + n * channels + c);
      for (int i = 0; i < W; ++i) sums[i] += v[i];
    }
  store_shared_floats(&partials.sums[threadIdx.y][own], sums);
  __syncthreads();
  if (threadIdx.y != 0 || c >= channels) return;
  for (int j = 1; j < Traits::kRows; ++j) {
    float other[W];
    load_shared_floats(other, &partials.sums[j][own]);
    for (int i = 0; i < W; ++i) sums[i] += other[i];
  }
  for (int i = 0; i < W; ++i) sums[i] /= static_cast<float>(end - begin);
  store(y + b * channels + c, sums);
}

template <class T, int W>
__global__ void __launch_bounds__(Traits::kThreads)
    pool_backward_kernel(T* dx, bool accumulate, const T* dy, const std::int32_t* begins, const std::int32_t* ends,
                         int sequences, std::int64_t channels) {
  const std::int64_t c = (static_cast<std::int64_t>(blockIdx.y) * blockDim.x + threadIdx.x) * W;
  const int n = static_cast<int>(blockIdx.x);
  if (c >= channels) return;
  int low = 0, high = sequences;  // the first range that ends after row n
  while (low < high) {
    const int middle = (low + high) / 2;
    if (load_global(ends + middle) > n) high = middle;
    else low = middle + 1;
  }
  float g[W] = {};
  if (low < sequences && load_global(begins + low) <= n) {
    const float share = 1.0f / static_cast<float>(load_global(ends + low) - load_global(begins + low));
    load(g, dy + low * channels + c);
    for (int i = 0; i < W; ++i) g[i] *= share;
  } else if (accumulate) {
    return;
  }
  store_gradient(dx + n * channels + c, g, accumulate);
}

}  // namespace

void pool_forward(const CudaContext& context, const PoolForward& args) {
  cuda::dispatch_device_float(args.dtype, "pooling", [&]<class T>() {
    cuda::with_width<T>(args.channels % cuda::kVectorWidth<T> == 0 && cuda::aligned(args.y, args.x), [&](auto width) {
      constexpr int W = decltype(width)::value;
      cuda::launch("pool_forward", pool_forward_kernel<T, W>,
                   {narrow<unsigned>(args.sequences), cuda::blocks_for(args.channels, Traits::kColumns * W)},
                   {Traits::kColumns, Traits::kRows}, 0, context.stream(), static_cast<T*>(args.y),
                   static_cast<const T*>(args.x), args.begins, args.ends, args.channels);
    });
  });
}

void pool_backward(const CudaContext& context, const PoolBackward& args) {
  if (!args.dx) return;
  cuda::dispatch_device_float(args.dtype, "pooling backward", [&]<class T>() {
    cuda::with_width<T>(
        args.channels % cuda::kVectorWidth<T> == 0 && cuda::aligned(args.dx.data, args.dy), [&](auto width) {
          constexpr int W = decltype(width)::value;
          cuda::launch("pool_backward", pool_backward_kernel<T, W>,
                       {narrow<unsigned>(args.rows), cuda::blocks_for(args.channels, Traits::kThreads * W)},
                       {Traits::kThreads}, 0, context.stream(), static_cast<T*>(args.dx.data), args.dx.accumulate(),
                       static_cast<const T*>(args.dy), args.begins, args.ends, narrow<int>(args.sequences),
                       args.channels);
        });
  });
}

}  // namespace attune
