// Layer norm of each row, with the residual addition and the dropout before it (kernels/layernorm.h).
//
// A warp owns a row; a lane owns every 32nd vector of four channels of it: 16 bytes of float32. In bfloat16 most of the
// moved data is float32 too (vectors of eight would touch every second half of a sector). A lane first copies all of
// its vectors to shared memory by cp.async, and then works on them in short loops. At the sizes of training a warp has
// one row: what counts is that all loads are in flight at once, and that the code is short. (Rows in registers need
// unrolled loops; fetching those instructions for a single pass took longer than the data.) Forward stages weight and
// bias with the rows, once for a block: read where they are used, each vector would wait for the L2 cache again.
// Backward, where that gained nothing, reads the weight through the L1 cache.
//
// Forward reads x (and residual) once and takes mean and variance in two passes over s: DRAM traffic is 2 N C elements,
// 4 N C with a residual (in bfloat16 12 N C bytes, 16 N C if y is also written as stream). Backward reads dy, s and
// dsum once and writes ds. For dweight and dbias a thread owns channels: it adds them over the rows of its block, which
// lie in shared memory, to a row of float32 partial sums of the block, and one launch of sum_columns adds those: a
// fixed order, deterministic. Everything is computed in float32; mean and rstd are float32. Shared memory of a warp: 4
// to 8 C bytes forward and 8 C for the block, up to 16 C backward (14 C in bfloat16). Bound by memory bandwidth, at 2048
// x 768 by its latency.
#include "kernels/layernorm.h"

#include <algorithm>

#include "kernels/cuda/columns.h"
#include "kernels/cuda/context.h"
#include "kernels/cuda/device/dropout.cuh"
#include "kernels/cuda/device/reduce.cuh"
#include "kernels/cuda/device/vec.cuh"
#include "kernels/cuda/device_info.h"
#include "kernels/cuda/dispatch.h"
#include "kernels/cuda/memory.h"

namespace attune::kernels {
namespace {

using namespace device;

struct LayerNormTraits {
  static constexpr int kWarps = 8;                        // of a block, fewer for long rows
  static constexpr std::size_t kSharedBytes = 110 << 10;  // two blocks on a Hopper multiprocessor
  static constexpr std::int64_t kMaxBlocks = 264;         // of the backward kernel: two per multiprocessor of an H100
};

// A warp's rows in shared memory, cut off one after the other.
struct SharedRows {
  unsigned char* next;
  int warps, warp, channels;

  __device__ explicit SharedRows(int row_channels)
      : next(dynamic_shared()),
        warps(static_cast<int>(blockDim.x / kWarp)),
        warp(static_cast<int>(threadIdx.x / kWarp)),
        channels(row_channels) {}
  // One row per warp; returns the first one, null if there is no need for it.
  template <class T>
  __device__ T* cut(bool needed) {
    if (!needed) return nullptr;
    T* rows = reinterpret_cast<T*>(next);
    next += static_cast<std::size_t>(warps * channels) * sizeof(T);
    return rows;
  }
  // One row for the block, staged by all of its threads from `from`; null if that is.
  template <int W>
  __device__ const float* stage_shared(const float* from) {
    if (from == nullptr) return nullptr;
    float* row = reinterpret_cast<float*>(next);
    next += static_cast<std::size_t>(channels) * sizeof(float);
    for (int c = static_cast<int>(threadIdx.x) * W; c < channels; c += static_cast<int>(blockDim.x) * W)
      stage<W>(row + c, from + c);
    return row;
  }
  template <class T>
  __device__ T* own(T* rows) const {
    return rows == nullptr ? nullptr : rows + warp * channels;
  }
};

// Warps of a block whose rows take this many bytes of shared memory each, besides those of the block.
int warps_for(std::size_t row_bytes, std::size_t block_bytes = 0) {
  const std::size_t available = cuda::device_info().shared_bytes - 1024;  // less what kernels declare themselves
  CHECK(row_bytes + block_bytes <= available, "layernorm: rows of ", row_bytes + block_bytes,
        " bytes are longer than CUDA kernels support");
  const std::size_t wanted = std::max(std::min(LayerNormTraits::kSharedBytes, available), block_bytes);
  return static_cast<int>(std::clamp<std::size_t>((wanted - block_bytes) / std::max<std::size_t>(row_bytes, 1), 1,
                                                  LayerNormTraits::kWarps));
}

template <class T>
struct LayerNormForwardArguments {
  T* y;
  float* stream;
  float* sum;
  float* mean;
  float* rstd;
  const T* branch;        // x that is added to a residual, else null
  const float* residual;  // or x itself
  const float* weight;
  const float* bias;
  std::int64_t rows;
  int channels;
  float eps;
  DropoutPlan dropout;
};

template <class T, int W>
__global__ void __launch_bounds__(LayerNormTraits::kWarps* kWarp)
    layernorm_forward_kernel(LayerNormForwardArguments<T> args) {
  const int channels = args.channels, first = static_cast<int>(threadIdx.x % kWarp) * W;
  const std::int64_t n = static_cast<std::int64_t>(blockIdx.x) * (blockDim.x / kWarp) + threadIdx.x / kWarp;
  args.dropout.step = step_of(args.dropout);
  const std::int64_t at = n * channels;
  SharedRows rows(channels);
  float* row = rows.own(rows.cut<float>(true));  // the residual, then s
  const float* weight = rows.stage_shared<W>(args.weight);
  const float* bias = rows.stage_shared<W>(args.bias);
  T* branch = rows.own(rows.cut<T>(args.branch != nullptr));
  for (int c = first; c < channels && n < args.rows; c += kWarp * W) {
    stage<W>(row + c, args.residual + at + c);
    if (args.branch != nullptr) stage<W>(branch + c, args.branch + at + c);
  }
  cp_async_commit();
  cp_async_wait<0>();
  __syncthreads();  // weight and bias are there
  if (n >= args.rows) return;
  float total = 0;
  for (int c = first; c < channels; c += kWarp * W) {
    float s[W];
    load_shared_floats(s, row + c);
    if (args.branch != nullptr) {
      float x[W];
      load_shared_floats(x, branch + c);
      apply_dropout(x, args.dropout, n, c);
      for (int i = 0; i < W; ++i) s[i] += x[i];
      store(args.sum + at + c, s);
      store_shared_floats(row + c, s);
    }
    for (int i = 0; i < W; ++i) total += s[i];
  }
  const float mean = warp_sum(total) / static_cast<float>(channels);
  float squares = 0;
  for (int c = first; c < channels; c += kWarp * W) {
    float s[W];
    load_shared_floats(s, row + c);
    for (int i = 0; i < W; ++i) squares += (s[i] - mean) * (s[i] - mean);
  }
  const float rstd = 1.0f / sqrtf(warp_sum(squares) / static_cast<float>(channels) + args.eps);
  for (int c = first; c < channels; c += kWarp * W) {
    float s[W], w[W];
    load_shared_floats(s, row + c);
    load_shared_floats(w, weight + c);
    for (int i = 0; i < W; ++i) s[i] = (s[i] - mean) * rstd * w[i];
    if (bias != nullptr) {
      float b[W];
      load_shared_floats(b, bias + c);
      for (int i = 0; i < W; ++i) s[i] += b[i];
    }
    store(args.y + at + c, s);
    if (args.stream != nullptr) store(args.stream + at + c, s);
  }
  if (threadIdx.x % kWarp != 0) return;
  if (args.mean != nullptr) store_global(args.mean + n, mean);
  if (args.rstd != nullptr) store_global(args.rstd + n, rstd);
}

template <class T>
struct Backward {
  T* dbranch;  // dx of an x that is added to a residual, or null
  float* ds;   // dresidual, or dx without a residual, or null
  bool accumulate_dbranch, accumulate_ds;
  float* partials;  // [blocks, 2, C] sums for dweight and dbias, or null
  const T* dy;
  const float* dstream;
  const float* dsum;
  const float* sum;
  const float* mean;
  const float* rstd;
  const float* weight;
  std::int64_t rows;
  int channels;
  DropoutPlan dropout;
};

// What a block has staged: a row of every tensor per warp, those of absent tensors null.
template <class T>
struct Staged {
  float* sum;
  float* dsum;
  float* dstream;
  T* dy;

  // The gradient of y of the vector at i, both ways added.
  template <int W>
  __device__ __forceinline__ void load_dy(float (&x)[W], int i) const {
    float d[W] = {};
    if (dstream != nullptr) load_shared_floats(d, dstream + i);
    if (dy != nullptr)
      load_shared_floats(x, dy + i);
    else
      for (float& value : x) value = 0;
    for (int j = 0; j < W; ++j) x[j] += d[j];
  }
};

struct RowMoments {
  float mean[LayerNormTraits::kWarps], rstd[LayerNormTraits::kWarps];
};

// ds of the vector at channel c of row n, to wherever it is wanted.
template <class T, int W>
__device__ __forceinline__ void store_ds(const Backward<T>& args, float (&ds)[W], std::int64_t n, int c) {
  const std::int64_t at = n * args.channels + c;
  float copy[W];
  for (int i = 0; i < W; ++i) copy[i] = ds[i];
  if (args.ds != nullptr) store_gradient(args.ds + at, copy, args.accumulate_ds);
  if (args.dbranch == nullptr) return;
  apply_dropout(ds, args.dropout, n, c);
  store_gradient(args.dbranch + at, ds, args.accumulate_dbranch);
}

// Stages row n as the warp's own, with its statistics, and computes its ds.
template <class T, int W>
__device__ __forceinline__ void backward_row(const Backward<T>& args, const Staged<T>& staged, RowMoments& statistics,
                                             int warp, std::int64_t n) {
  const int channels = args.channels, first = static_cast<int>(threadIdx.x % kWarp) * W, own = warp * channels;
  const std::int64_t at = n * channels;
  const float mean = load_global(args.mean + n), rstd = load_global(args.rstd + n);
  for (int c = first; c < channels; c += kWarp * W) {
    stage<W>(staged.sum + own + c, args.sum + at + c);
    if (args.dy != nullptr) stage<W>(staged.dy + own + c, args.dy + at + c);
    if (args.dstream != nullptr) stage<W>(staged.dstream + own + c, args.dstream + at + c);
    if (args.dsum != nullptr) stage<W>(staged.dsum + own + c, args.dsum + at + c);
  }
  cp_async_commit();
  if (first == 0) {
    store_shared(&statistics.mean[warp], mean);
    store_shared(&statistics.rstd[warp], rstd);
  }
  cp_async_wait<0>();
  if (args.dbranch == nullptr && args.ds == nullptr) return;
  const auto load_g_h = [&](float(&g)[W], float(&h)[W], int c) {
    float w[W];
    staged.load_dy(g, own + c);
    load_shared_floats(h, staged.sum + own + c);
    load(w, args.weight + c);
    for (int i = 0; i < W; ++i) {
      g[i] *= w[i];
      h[i] = (h[i] - mean) * rstd;
    }
  };
  float sum_g = 0, sum_gh = 0;
  for (int c = first; c < channels; c += kWarp * W) {
    float g[W], h[W];
    load_g_h(g, h, c);
    for (int i = 0; i < W; ++i) sum_g += g[i], sum_gh += g[i] * h[i];
  }
  const float mean_g = warp_sum(sum_g) / static_cast<float>(channels),
              mean_gh = warp_sum(sum_gh) / static_cast<float>(channels);
  for (int c = first; c < channels; c += kWarp * W) {
    float g[W], h[W], ds[W] = {};
    load_g_h(g, h, c);
    if (args.dsum != nullptr) load_shared_floats(ds, staged.dsum + own + c);
    for (int i = 0; i < W; ++i) ds[i] += rstd * (g[i] - mean_g - h[i] * mean_gh);
    store_ds(args, ds, n, c);
  }
}

// Adds the first `rows` staged rows to the block's partial sums of dweight and dbias, which begin as zeros.
template <class T, int W>
__device__ __forceinline__ void add_parameters(const Backward<T>& args, const Staged<T>& staged,
                                               const RowMoments& statistics, int rows, bool begin) {
  const int channels = args.channels;
  float* partial = args.partials + static_cast<std::int64_t>(blockIdx.x) * 2 * channels;
  for (int c = static_cast<int>(threadIdx.x) * W; c < channels; c += static_cast<int>(blockDim.x) * W) {
    float dweight[W] = {}, dbias[W] = {};
    for (int r = 0; r < rows; ++r) {
      const float mean = load_shared(&statistics.mean[r]), rstd = load_shared(&statistics.rstd[r]);
      float dy[W], s[W];
      staged.load_dy(dy, r * channels + c);
      load_shared_floats(s, staged.sum + r * channels + c);
      for (int i = 0; i < W; ++i) dweight[i] += dy[i] * ((s[i] - mean) * rstd), dbias[i] += dy[i];
    }
    store_gradient(partial + c, dweight, !begin);
    store_gradient(partial + channels + c, dbias, !begin);
  }
}

template <class T, int W>
__global__ void __launch_bounds__(LayerNormTraits::kWarps* kWarp) layernorm_backward_kernel(Backward<T> args) {
  RowMoments& statistics = shared_variable<RowMoments>();
  SharedRows cut(args.channels);
  const Staged<T> staged{.sum = cut.cut<float>(true),
                         .dsum = cut.cut<float>(args.dsum != nullptr),
                         .dstream = cut.cut<float>(args.dstream != nullptr),
                         .dy = cut.cut<T>(args.dy != nullptr)};
  args.dropout.step = step_of(args.dropout);
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * cut.warps;
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x) * cut.warps;
  for (std::int64_t first = begin; first < args.rows; first += step) {
    if (const std::int64_t n = first + cut.warp; n < args.rows)
      backward_row<T, W>(args, staged, statistics, cut.warp, n);
    if (args.partials == nullptr) continue;
    __syncthreads();  // all rows are there
    const std::int64_t left = args.rows - first;
    add_parameters<T, W>(args, staged, statistics, left < cut.warps ? static_cast<int>(left) : cut.warps,
                         first == begin);
    __syncthreads();  // the next rows may be staged
  }
}

// Of a row that the backward kernel stages.
template <class T>
std::size_t backward_row_bytes(const LayerNormBackward& args) {
  const std::size_t floats = 1 + (args.dsum != nullptr ? 1 : 0) + (args.dstream != nullptr ? 1 : 0);
  return static_cast<std::size_t>(args.channels) * (floats * sizeof(float) + (args.dy != nullptr ? sizeof(T) : 0));
}

std::int64_t backward_blocks(std::int64_t rows, int warps) {
  return std::min(ceil_div<std::int64_t>(rows, warps), LayerNormTraits::kMaxBlocks);
}

}  // namespace

void layernorm_forward(const CudaContext& context, const LayerNormForward& args) {
  cuda::dispatch_device_float(args.dtype, "layernorm", [&]<class T>() {
    const bool wide = args.channels % cuda::kVectorWidth<float> == 0 &&
                      cuda::aligned(args.y, args.stream, args.sum, args.x, args.residual, args.weight, args.bias);
    const bool residual = args.residual != nullptr;
    const LayerNormForwardArguments<T> arguments{
        .y = static_cast<T*>(args.y),
        .stream = static_cast<float*>(args.stream),
        .sum = static_cast<float*>(args.sum),
        .mean = static_cast<float*>(args.mean),
        .rstd = static_cast<float*>(args.rstd),
        .branch = residual ? static_cast<const T*>(args.x) : nullptr,
        .residual = static_cast<const float*>(residual ? args.residual : args.x),
        .weight = static_cast<const float*>(args.weight),
        .bias = static_cast<const float*>(args.bias),
        .rows = args.rows,
        .channels = narrow<int>(args.channels),
        .eps = static_cast<float>(args.eps),
        .dropout = plan_of(args.dropout)};
    const std::size_t channels = static_cast<std::size_t>(args.channels);
    const std::size_t row_bytes = channels * (sizeof(float) + (residual ? sizeof(T) : 0));
    const std::size_t block_bytes = channels * sizeof(float) * (args.bias != nullptr ? 2 : 1);
    const int warps = warps_for(row_bytes, block_bytes);
    cuda::with_width<float>(wide, [&](auto width) {
      cuda::launch("layernorm_forward", layernorm_forward_kernel<T, decltype(width)::value>,
                   {cuda::blocks_for(args.rows, warps)}, {static_cast<unsigned>(warps * kWarp)},
                   static_cast<std::size_t>(warps) * row_bytes + block_bytes, context.stream(), arguments);
    });
  });
}

std::int64_t layernorm_parts(const CudaContext&, const LayerNormBackward& args) {
  return cuda::dispatch_device_float(args.dtype, "layernorm backward", [&]<class T>() {
    return backward_blocks(args.rows, warps_for(backward_row_bytes<T>(args)));
  });
}

void layernorm_backward(const CudaContext& context, const LayerNormBackward& args) {
  cuda::dispatch_device_float(args.dtype, "layernorm backward", [&]<class T>() {
    const bool parameters = args.parts != nullptr || args.dweight || args.dbias;
    const std::size_t row_bytes = backward_row_bytes<T>(args);
    const int warps = warps_for(row_bytes);
    const std::int64_t blocks = backward_blocks(args.rows, warps);
    const bool wide =
        args.channels % cuda::kVectorWidth<float> == 0 &&
        cuda::aligned(args.dx.data, args.dresidual.data, args.dy, args.dstream, args.dsum, args.sum, args.weight);
    const bool join = args.parts == nullptr && parameters;
    const cuda::Scratch scratch(static_cast<std::size_t>(join ? blocks * 2 * args.channels : 0) * sizeof(float),
                                context.stream());
    float* partials = join ? scratch.as<float>() : static_cast<float*>(args.parts);
    const GradOut ds = args.residual ? args.dresidual : args.dx, dbranch = args.residual ? args.dx : GradOut{};
    const Backward<T> arguments{.dbranch = static_cast<T*>(dbranch.data),
                                .ds = static_cast<float*>(ds.data),
                                .accumulate_dbranch = dbranch.accumulate(),
                                .accumulate_ds = ds.accumulate(),
                                .partials = partials,
                                .dy = static_cast<const T*>(args.dy),
                                .dstream = static_cast<const float*>(args.dstream),
                                .dsum = static_cast<const float*>(args.dsum),
                                .sum = static_cast<const float*>(args.sum),
                                .mean = static_cast<const float*>(args.mean),
                                .rstd = static_cast<const float*>(args.rstd),
                                .weight = static_cast<const float*>(args.weight),
                                .rows = args.rows,
                                .channels = narrow<int>(args.channels),
                                .dropout = plan_of(args.dropout)};
    cuda::with_width<float>(wide, [&](auto width) {
      cuda::launch("layernorm_backward", layernorm_backward_kernel<T, decltype(width)::value>,
                   {narrow<unsigned>(blocks)}, {static_cast<unsigned>(warps * kWarp)},
                   static_cast<std::size_t>(warps) * row_bytes, context.stream(), arguments);
    });
    if (!join) return;
    const cuda::ColumnSum sum = cuda::sum_of_parts(args, partials, blocks);
    cuda::sum_columns(context, {&sum, 1});
  });
}

}  // namespace attune::kernels
