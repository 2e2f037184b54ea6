// y[b] = mean of the chosen rows of a sequence, and its gradient (kernels/pool.h).
//
// Forward: a block owns 32 vectors of channels of one sequence; thread (i, j) adds every eighth row from j on, then the
// eight sums of a channel are added through shared memory (at most 8 KiB). Backward: a thread owns a
// vector of a row, finds the row's sequence by bisection (from the caches) and writes. Deterministic. Bound by memory.
#include "kernels/pool.h"

#include "kernels/cuda/context.h"
#include "kernels/cuda/device/rows.cuh"
#include "kernels/cuda/device/vec.cuh"
#include "kernels/cuda/dispatch.h"

namespace attune::kernels {
namespace {

using namespace device;

struct PoolTraits {
  static constexpr int kColumns = 32, kRows = 8;  // forward block
  static constexpr int kThreads = 128;            // backward block
};

template <int W>
struct Partials {
  alignas(16) float sums[PoolTraits::kRows][PoolTraits::kColumns * W];
};

__device__ RowRange rows_of(const PooledLayout& layout, std::int64_t b) {
  return pooled_rows(layout.pooled, load_global(layout.offsets + b), load_global(layout.offsets + b + 1),
                     load_global(layout.lengths + b));
}

template <class T, int W>
__global__ void __launch_bounds__(PoolTraits::kColumns* PoolTraits::kRows)
    pool_forward_kernel(T* y, const T* x, PooledLayout layout) {
  Partials<W>& partials = shared_variable<Partials<W>>();
  const std::int64_t b = blockIdx.x, channels = layout.channels;
  const RowRange rows = rows_of(layout, b);
  const int own = static_cast<int>(threadIdx.x) * W;
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.y) * PoolTraits::kColumns * W + own;
  float sums[W] = {};
  if (c < channels)
    for (int n = rows.begin + static_cast<int>(threadIdx.y); n < rows.end; n += PoolTraits::kRows) {
      float v[W];
      load(v, x + n * channels + c);
      for (int i = 0; i < W; ++i) sums[i] += v[i];
    }
  store_shared_floats(&partials.sums[threadIdx.y][own], sums);
  __syncthreads();
  if (threadIdx.y != 0 || c >= channels) return;
  for (int j = 1; j < PoolTraits::kRows; ++j) {
    float other[W];
    load_shared_floats(other, &partials.sums[j][own]);
    for (int i = 0; i < W; ++i) sums[i] += other[i];
  }
  for (int i = 0; i < W; ++i) sums[i] /= static_cast<float>(rows.begin < rows.end ? rows.end - rows.begin : 1);
  store(y + b * channels + c, sums);
}

template <class T, int W>
__global__ void __launch_bounds__(PoolTraits::kThreads)
    pool_backward_kernel(T* dx, bool accumulate, const T* dy, PooledLayout layout, RowVectors vectors) {
  const std::int64_t channels = layout.channels;
  std::int64_t n, c;
  if (!vectors.own<W>(n, c)) return;
  const int sequences = static_cast<int>(layout.sequences);
  int low = 0, high = sequences;  // the first sequence that ends after row n
  while (low < high) {
    const int middle = (low + high) / 2;
    if (load_global(layout.offsets + middle + 1) > n)
      high = middle;
    else
      low = middle + 1;
  }
  float g[W] = {};
  const RowRange rows = low < sequences ? rows_of(layout, low) : RowRange{0, 0};
  if (rows.begin <= n && n < rows.end) {
    const float share = 1.0f / static_cast<float>(rows.end - rows.begin);
    load(g, dy + low * channels + c);
    for (int i = 0; i < W; ++i) g[i] *= share;
  } else if (accumulate) {
    return;
  }
  store_gradient(dx + n * channels + c, g, accumulate);
}

__global__ void __launch_bounds__(PoolTraits::kThreads) pooled_keys_kernel(PooledKeys args) {
  const std::int64_t b = global_index();
  if (b < args.layout.sequences)
    store_global(args.keys + b, load_global(args.row_keys + rows_of(args.layout, b).begin));
}

}  // namespace

void pool_forward(const CudaContext& context, const PoolForward& args) {
  cuda::dispatch_device_float(args.dtype, "pooling", [&]<class T>() {
    cuda::with_width<T>(args.layout.channels % cuda::kVectorWidth<T> == 0 && cuda::aligned(args.y, args.x),
                        [&](auto width) {
                          constexpr int W = decltype(width)::value;
                          cuda::launch("pool_forward", pool_forward_kernel<T, W>,
                                       {narrow<unsigned>(args.layout.sequences),
                                        cuda::blocks_for(args.layout.channels, PoolTraits::kColumns * W)},
                                       {PoolTraits::kColumns, PoolTraits::kRows}, 0, context.stream(),
                                       static_cast<T*>(args.y), static_cast<const T*>(args.x), args.layout);
                        });
  });
}

void pool_backward(const CudaContext& context, const PoolBackward& args) {
  if (!args.dx) return;
  cuda::dispatch_device_float(args.dtype, "pooling backward", [&]<class T>() {
    cuda::with_width<T>(
        args.layout.channels % cuda::kVectorWidth<T> == 0 && cuda::aligned(args.dx.data, args.dy), [&](auto width) {
          constexpr int W = decltype(width)::value;
          const auto vectors = RowVectors::of(args.layout.rows, args.layout.channels, W);
          cuda::launch("pool_backward", pool_backward_kernel<T, W>, {vectors.blocks(PoolTraits::kThreads)},
                       {PoolTraits::kThreads}, 0, context.stream(), static_cast<T*>(args.dx.data), args.dx.accumulate(),
                       static_cast<const T*>(args.dy), args.layout, vectors);
        });
  });
}

void pooled_keys(const CudaContext& context, const PooledKeys& args) {
  if (args.layout.sequences == 0) return;
  cuda::launch("pooled_keys", pooled_keys_kernel, {cuda::blocks_for(args.layout.sequences, PoolTraits::kThreads)},
               {PoolTraits::kThreads}, 0, context.stream(), args);
}

}  // namespace attune::kernels
