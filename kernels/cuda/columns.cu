// out[c] (+)= sum_n x[n, c].
//
// A block owns 32 bytes of columns, one sector of each row (16 columns where there are no vectors), and adds all rows of them: thread (i, j) adds rows j, j + J,
// ... of its vector of 16 bytes, then the sums of a warp are added by shuffles and those of the warps through shared
// memory (2 KiB). One launch whatever the number of rows, which costs more than the sums: at 2048 x 768 the matrix lies
// in the L2 cache and a thread has all of its loads in flight. The order of a sum depends on the number of rows and the
// width of vectors: deterministic. Reads every element once.
#include "kernels/cuda/columns.h"

#include <algorithm>
#include <bit>

#include "kernels/cuda/context.h"
#include "kernels/cuda/device/reduce.cuh"
#include "kernels/cuda/device/vec.cuh"
#include "kernels/cuda/dispatch.h"

namespace attune::cuda {
namespace {

using namespace device;

template <class T, int W>
struct Traits {
  static constexpr int kMaxThreads = 1024;
  static constexpr int kAcross = W == 1 ? 16 : 2;  // vectors across a block
  static constexpr int kColumns = kAcross * W;
};

template <class T, class Out>
struct Columns {
  Out* out;
  Out* second;  // of the columns from `channels` on, or null
  bool accumulate, accumulate_second;
  const T* x;
  std::int64_t rows, channels, all, row_stride;  // all: of both outputs
};

template <int kColumns>
struct WarpSums {
  alignas(16) float sums[kWarp][kColumns];
};

template <class T, class Out, int W>
__global__ void __launch_bounds__(Traits<T, W>::kMaxThreads) column_sum_kernel(Columns<T, Out> args) {
  constexpr int kAcross = Traits<T, W>::kAcross, kColumns = Traits<T, W>::kColumns;
  WarpSums<kColumns>& partials = shared_variable<WarpSums<kColumns>>();
  const int thread = static_cast<int>(threadIdx.x), lane = thread % kWarp;
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * kColumns, c = first + thread % kAcross * W;
  const int step = static_cast<int>(blockDim.x) / kAcross;
  float sums[W] = {};
  if (c < args.all) {
#pragma unroll 4
    for (std::int64_t n = thread / kAcross; n < args.rows; n += step) {
      float v[W];
      load(v, args.x + n * args.row_stride + c);
      for (int i = 0; i < W; ++i) sums[i] += v[i];
    }
  }
  for (int lanes = kAcross; lanes < kWarp; lanes *= 2)
    for (int i = 0; i < W; ++i) sums[i] += __shfl_xor_sync(kAllLanes, sums[i], lanes);
  if (lane < kAcross) store_shared_floats(&partials.sums[thread / kWarp][lane * W], sums);
  __syncthreads();
  const std::int64_t column = first + thread;
  if (thread >= kColumns || column >= args.all) return;
  float total[1] = {};
  for (int w = 0; w < static_cast<int>(blockDim.x) / kWarp; ++w) total[0] += load_shared(&partials.sums[w][thread]);
  if (column < args.channels)
    store_gradient(args.out + column, total, args.accumulate);
  else
    store_gradient(args.second + (column - args.channels), total, args.accumulate_second);
}

template <class T, class Out>
void run(const kernels::CudaContext& context, const ColumnSum& args) {
  const Columns<T, Out> columns{.out = static_cast<Out*>(args.out.data),
                                .second = static_cast<Out*>(args.second.data),
                                .accumulate = args.out.accumulate(),
                                .accumulate_second = args.second.accumulate(),
                                .x = static_cast<const T*>(args.x),
                                .rows = args.rows,
                                .channels = args.channels,
                                .all = args.second ? 2 * args.channels : args.channels,
                                .row_stride = args.row_stride};
  const bool wide =
      args.channels % kVectorWidth<T> == 0 && args.row_stride % kVectorWidth<T> == 0 && aligned(columns.x);
  with_width<T>(wide, [&](auto width) {
    constexpr int W = decltype(width)::value;
    using Shape = Traits<T, W>;
    const auto rows = static_cast<unsigned>(std::clamp<std::int64_t>(args.rows, 1, Shape::kMaxThreads));
    const unsigned threads =
        std::clamp<unsigned>(std::bit_ceil(rows) * Shape::kAcross, unsigned{kWarp}, unsigned{Shape::kMaxThreads});
    launch("column_sum", column_sum_kernel<T, Out, W>, {blocks_for(columns.all, Shape::kColumns)}, {threads}, 0,
           context.stream(), columns);
  });
}

}  // namespace

void sum_columns(const kernels::CudaContext& context, const ColumnSum& args) {
  dispatch_device_float(args.dtype, "column sum", [&]<class T>() {
    dispatch_device_float(args.out_dtype, "column sum", [&]<class Out>() { run<T, Out>(context, args); });
  });
}

}  // namespace attune::cuda
