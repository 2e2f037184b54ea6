// out[c] (+)= sum_n x[n, c].
//
// A block owns 32 W columns and one chunk of rows: thread (i, j) adds rows j, j + 8, ... of the chunk in its W columns,
// then the eight partial sums of a column are added through shared memory. More than one chunk: each writes a row of
// float32 partials, which a second launch of the same kernel adds. The cut depends on the number of rows alone:
// deterministic. Reads every element once in 16-byte vectors, 512 bytes per warp and row. 4 KiB of shared memory in
// vectors.
#include "kernels/cuda/columns.h"

#include <algorithm>

#include "kernels/cuda/context.h"
#include "kernels/cuda/device/vec.cuh"
#include "kernels/cuda/dispatch.h"
#include "kernels/cuda/memory.h"

namespace attune::cuda {
namespace {

using namespace device;

struct Traits {
  static constexpr int kColumns = 32;          // vectors across a block
  static constexpr int kRows = 8;              // rows it reads at a time
  static constexpr std::int64_t kChunk = 128;  // rows of a chunk at least
  static constexpr std::int64_t kMaxChunks = 256;
};

template <int W>
struct Partials {
  alignas(16) float sums[Traits::kRows][Traits::kColumns * W];
};

template <class T, class Out, int W>
__global__ void __launch_bounds__(Traits::kColumns* Traits::kRows)
    column_sum_kernel(Out* out, bool accumulate, const T* x, std::int64_t rows, std::int64_t channels,
                      std::int64_t row_stride, std::int64_t chunk) {
  Partials<W>& partials = shared_variable<Partials<W>>();
  const int own = static_cast<int>(threadIdx.x) * W;
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * Traits::kColumns * W + own;
  const std::int64_t begin = blockIdx.y * chunk, end = begin + chunk < rows ? begin + chunk : rows;
  float sums[W] = {};
  if (c < channels)
    for (std::int64_t n = begin + threadIdx.y; n < end; n += Traits::kRows) {
      float v[W];
      load(v, x + n * row_stride + c);
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
  store_gradient(out + blockIdx.y * channels + c, sums, accumulate);
}

template <class T, class Out>
void run(const kernels::CudaContext& context, Out* out, bool accumulate, const T* x, const ColumnSum& args,
         std::int64_t chunk) {
  constexpr int kWide = kVectorWidth<T> < 4 ? kVectorWidth<T> : 4;
  const bool vectors =
      args.channels % kVectorWidth<T> == 0 && args.row_stride % kVectorWidth<T> == 0 && aligned(out, x);
  const auto go = [&](auto width) {
    constexpr int W = decltype(width)::value;
    launch("column_sum", column_sum_kernel<T, Out, W>,
           {blocks_for(args.channels, Traits::kColumns * W), blocks_for(args.rows, chunk)},
           {Traits::kColumns, Traits::kRows}, 0, context.stream(), out, accumulate, x, args.rows, args.channels,
           args.row_stride, chunk);
  };
  if (vectors)
    go(std::integral_constant<int, kWide>{});
  else
    go(std::integral_constant<int, 1>{});
}

}  // namespace

void sum_columns(const kernels::CudaContext& context, const ColumnSum& args) {
  dispatch_device_float(args.dtype, "column sum", [&]<class T>() {
    dispatch_device_float(args.out_dtype, "column sum", [&]<class Out>() {
      const T* x = static_cast<const T*>(args.x);
      Out* out = static_cast<Out*>(args.out.data);
      const std::int64_t chunk = std::max(Traits::kChunk, ceil_div(args.rows, Traits::kMaxChunks));
      const std::int64_t chunks = ceil_div(args.rows, chunk);
      if (chunks <= 1) return run(context, out, args.out.accumulate(), x, args, std::max<std::int64_t>(args.rows, 1));
      const Scratch partials(static_cast<std::size_t>(chunks * args.channels) * sizeof(float), context.stream());
      run(context, partials.as<float>(), false, x, args, chunk);
      const ColumnSum second{.out = args.out,
                             .x = partials.as<float>(),
                             .rows = chunks,
                             .channels = args.channels,
                             .row_stride = args.channels,
                             .dtype = DType::kFloat32,
                             .out_dtype = args.out_dtype};
      run<float, Out>(context, out, args.out.accumulate(), partials.as<float>(), second, chunks);
    });
  });
}

}  // namespace attune::cuda
