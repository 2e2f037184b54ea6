// out[c] (+)= sum_n x[n, c], of several matrices in one launch.
//
// A block belongs to one matrix. It owns 64 bytes of columns (32 columns where there are no vectors) and adds all rows
// of them: thread (i, j) adds rows j, j + J, ... of its vector of 16 bytes, eight loads in flight, then the sums of a
// warp are added by shuffles and those of the warps through shared memory (1 KiB). No second launch joins parts,
// whatever the number of rows. Several matrices share a launch, because alone, a sum of 2048 x 768 is mostly the launch
// and its first loads. The order of a sum depends on the number of rows and the width of vectors: deterministic. Reads
// every element once: bound by memory bandwidth.
#include "kernels/cuda/columns.h"

#include <algorithm>

#include "kernels/cuda/context.h"
#include "kernels/cuda/device/reduce.cuh"
#include "kernels/cuda/device/vec.cuh"
#include "kernels/cuda/dispatch.h"

namespace attune::cuda {
namespace {

using namespace device;

struct ColumnsTraits {
  static constexpr int kThreads = 256;
  static constexpr int kMaxColumns = 32;  // of a block
};

template <int W>
struct Shape {
  static constexpr int kAcross = W == 1 ? ColumnsTraits::kMaxColumns : 4;  // vectors across a block
  static constexpr int kColumns = kAcross * W;
};

struct Matrix {
  void* out;
  void* second;  // of the columns from `channels` on, or null
  const void* x;
  std::int64_t row_stride;
  int rows, channels, all;  // all: of both outputs
  unsigned first_block;
  bool accumulate, accumulate_second, bfloat16, wide;
};

// By value: what a launch needs lies in its arguments.
struct Matrices {
  Matrix matrices[kMaxSumsOfALaunch];
  int count;
};

struct WarpSums {
  alignas(16) float sums[ColumnsTraits::kThreads / kWarp][ColumnsTraits::kMaxColumns];
};

template <class T, int W>
__device__ void sum_own_columns(const Matrix& args) {
  constexpr int kAcross = Shape<W>::kAcross, kColumns = Shape<W>::kColumns;
  WarpSums& partials = shared_variable<WarpSums>();
  const int thread = static_cast<int>(threadIdx.x), lane = thread % kWarp;
  const int first = static_cast<int>(blockIdx.x - args.first_block) * kColumns, c = first + thread % kAcross * W;
  const T* x = static_cast<const T*>(args.x) + c;
  float sums[W] = {};
  if (c < args.all) {
#pragma unroll 8
    for (int n = thread / kAcross; n < args.rows; n += ColumnsTraits::kThreads / kAcross) {
      float v[W];
      load(v, x + n * args.row_stride);
      for (int i = 0; i < W; ++i) sums[i] += v[i];
    }
  }
  for (int lanes = kAcross; lanes < kWarp; lanes *= 2)
    for (int i = 0; i < W; ++i) sums[i] += __shfl_xor_sync(kAllLanes, sums[i], lanes);
  if (lane < kAcross) store_shared_floats(&partials.sums[thread / kWarp][lane * W], sums);
  __syncthreads();
  const int column = first + thread;
  if (thread >= kColumns || column >= args.all) return;
  float total[1] = {};
  for (int w = 0; w < ColumnsTraits::kThreads / kWarp; ++w) total[0] += load_shared(&partials.sums[w][thread]);
  if (column < args.channels)
    store_gradient(static_cast<T*>(args.out) + column, total, args.accumulate);
  else
    store_gradient(static_cast<T*>(args.second) + (column - args.channels), total, args.accumulate_second);
}

__global__ void __launch_bounds__(ColumnsTraits::kThreads, 4) column_sum_kernel(Matrices args) {
  int own = 0;
  while (own + 1 < args.count && args.matrices[own + 1].first_block <= blockIdx.x) ++own;
  const Matrix& matrix = args.matrices[own];
  if (matrix.bfloat16)
    matrix.wide ? sum_own_columns<BFloat16, kVectorWidth<BFloat16>>(matrix) : sum_own_columns<BFloat16, 1>(matrix);
  else
    matrix.wide ? sum_own_columns<float, kVectorWidth<float>>(matrix) : sum_own_columns<float, 1>(matrix);
}

// The matrix as the kernel sees it, and the blocks that it needs.
template <class T>
Matrix matrix_of(const ColumnSum& sum, unsigned first_block, unsigned& blocks) {
  const bool wide = sum.channels % kVectorWidth<T> == 0 && sum.row_stride % kVectorWidth<T> == 0 &&
                    aligned(static_cast<const T*>(sum.x));
  const std::int64_t all = sum.second ? 2 * sum.channels : sum.channels;
  blocks = with_width<T>(wide, [&](auto width) { return blocks_for(all, Shape<decltype(width)::value>::kColumns); });
  return {.out = sum.out.data,
          .second = sum.second.data,
          .x = sum.x,
          .row_stride = sum.row_stride,
          .rows = narrow<int>(sum.rows),
          .channels = narrow<int>(sum.channels),
          .all = narrow<int>(all),
          .first_block = first_block,
          .accumulate = sum.out.accumulate(),
          .accumulate_second = sum.second.accumulate(),
          .bfloat16 = sizeof(T) == sizeof(BFloat16),
          .wide = wide};
}

}  // namespace

void sum_columns(const kernels::CudaContext& context, std::span<const ColumnSum> sums) {
  for (; !sums.empty(); sums = sums.subspan(std::min(sums.size(), kMaxSumsOfALaunch))) {
    Matrices args{};
    unsigned blocks = 0;
    for (const ColumnSum& sum : sums.first(std::min(sums.size(), kMaxSumsOfALaunch))) {
      Matrix& matrix = args.matrices[args.count++];
      unsigned own = 0;
      dispatch_device_float(sum.dtype, "column sum", [&]<class T>() { matrix = matrix_of<T>(sum, blocks, own); });
      blocks += own;
    }
    launch("column_sum", column_sum_kernel, {blocks}, {ColumnsTraits::kThreads}, 0, context.stream(), args);
  }
}

}  // namespace attune::cuda
