// Layer norm of each row, with the residual addition and the dropout before it (kernels/layernorm.h).
//
// A warp owns a row; a lane owns every 32nd vector of four channels of it: 16 bytes of float32. In bfloat16 most of the
// moved data is float32 too (vectors of eight would touch every second half of a sector). Forward reads x (and
// residual) once, keeps s in shared memory, where only its own lane reads it again, and takes mean and variance in two
// passes over it: DRAM traffic is 2 N C elements, 4 N C with a residual (in bfloat16 12 N C bytes, 16 N C if y is also
// written as stream). Backward reads dy and s twice, the second time from the L1 cache, and writes ds; dweight and
// dbias are added per warp in shared memory over the rows it walks, then per block, and the blocks' partial sums in
// float32 are added by sum_columns: a fixed order, deterministic. Everything is computed in float32; mean and rstd are
// float32. Shared memory: 4 C bytes per warp forward and 8 C backward, 12 and 24 KiB for C = 768 and four warps; six
// backward blocks (24 warps) fit an sm_80 multiprocessor, enough to cover the loads since each lane has several in
// flight.
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

struct Traits {
  static constexpr int kMaxWarps = 4;                    // of a block, fewer for long rows
  static constexpr std::size_t kSharedBytes = 48 << 10;  // this limits the number
  // Of a multiprocessor, so that a thread may have 64 registers: left to itself ptxas gives fewer and spills.
  static constexpr int kBlocks = 8;
  static constexpr std::int64_t kMaxBlocks = 264;  // of the backward kernel: two per multiprocessor of an H100
};

// A lane's slice of the shared row of its warp.
__device__ float* warp_row(int channels, int floats_per_channel) {
  return reinterpret_cast<float*>(dynamic_shared()) +
         static_cast<int>(threadIdx.x / kWarp) * channels * floats_per_channel;
}

template <class T>
struct Forward {
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
__global__ void __launch_bounds__(Traits::kMaxWarps* kWarp, Traits::kBlocks) layernorm_forward_kernel(Forward<T> args) {
  const int channels = args.channels, first = static_cast<int>(threadIdx.x % kWarp) * W;
  const std::int64_t n = static_cast<std::int64_t>(blockIdx.x) * (blockDim.x / kWarp) + threadIdx.x / kWarp;
  if (n >= args.rows) return;
  args.dropout.step = step_of(args.dropout);
  const std::int64_t at = n * channels;
  float* row = warp_row(channels, 1);
  float total = 0;
  for (int c = first; c < channels; c += kWarp * W) {
    float s[W];
    load(s, args.residual + at + c);
    if (args.branch != nullptr) {
      float x[W];
      load(x, args.branch + at + c);
      apply_dropout(x, args.dropout, n, c);
      for (int i = 0; i < W; ++i) s[i] += x[i];
      store(args.sum + at + c, s);
    }
    for (int i = 0; i < W; ++i) total += s[i];
    store_shared_floats(row + c, s);
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
    load(w, args.weight + c);
    for (int i = 0; i < W; ++i) s[i] = (s[i] - mean) * rstd * w[i];
    if (args.bias != nullptr) {
      float b[W];
      load(b, args.bias + c);
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

// The gradient of y that lies at `at`, both ways added.
template <class T, int W>
__device__ void load_dy(const Backward<T>& args, float (&dy)[W], std::int64_t at) {
  if (args.dy != nullptr)
    load(dy, args.dy + at);
  else
    load(dy, args.dstream + at);
  if (args.dy == nullptr || args.dstream == nullptr) return;
  float d[W];
  load(d, args.dstream + at);
  for (int i = 0; i < W; ++i) dy[i] += d[i];
}

// ds of the vector at channel c of row n, to wherever it is wanted.
template <class T, int W>
__device__ void store_ds(const Backward<T>& args, float (&ds)[W], std::int64_t n, int c) {
  const std::int64_t at = n * args.channels + c;
  if (args.dsum != nullptr) {
    float d[W];
    load(d, args.dsum + at);
    for (int i = 0; i < W; ++i) ds[i] += d[i];
  }
  float copy[W];
  for (int i = 0; i < W; ++i) copy[i] = ds[i];
  if (args.ds != nullptr) store_gradient(args.ds + at, copy, args.accumulate_ds);
  if (args.dbranch == nullptr) return;
  apply_dropout(ds, args.dropout, n, c);
  store_gradient(args.dbranch + at, ds, args.accumulate_dbranch);
}

template <class T, int W>
__device__ void backward_row(const Backward<T>& args, float* partial, std::int64_t n) {
  const int channels = args.channels, first = static_cast<int>(threadIdx.x % kWarp) * W;
  const std::int64_t at = n * channels;
  const float mean = load_global(args.mean + n), rstd = load_global(args.rstd + n);
  float sum_g = 0, sum_gh = 0;
  for (int c = first; c < channels; c += kWarp * W) {
    float dy[W], h[W], w[W];
    load_dy(args, dy, at + c);
    load(h, args.sum + at + c);
    load(w, args.weight + c);
    for (int i = 0; i < W; ++i) {
      h[i] = (h[i] - mean) * rstd;
      sum_g += dy[i] * w[i];
      sum_gh += dy[i] * w[i] * h[i];
    }
    if (args.partials == nullptr) continue;
    float dweight[W], dbias[W];
    load_shared_floats(dweight, partial + c);
    load_shared_floats(dbias, partial + channels + c);
    for (int i = 0; i < W; ++i) dweight[i] += dy[i] * h[i], dbias[i] += dy[i];
    store_shared_floats(partial + c, dweight);
    store_shared_floats(partial + channels + c, dbias);
  }
  if (args.dbranch == nullptr && args.ds == nullptr) return;
  const float mean_g = warp_sum(sum_g) / static_cast<float>(channels),
              mean_gh = warp_sum(sum_gh) / static_cast<float>(channels);
  for (int c = first; c < channels; c += kWarp * W) {
    float dy[W], h[W], w[W];
    load_dy(args, dy, at + c);
    load(h, args.sum + at + c);
    load(w, args.weight + c);
    for (int i = 0; i < W; ++i) {
      h[i] = (h[i] - mean) * rstd;
      dy[i] = rstd * (dy[i] * w[i] - mean_g - h[i] * mean_gh);
    }
    store_ds(args, dy, n, c);
  }
}

template <class T, int W>
__global__ void __launch_bounds__(Traits::kMaxWarps* kWarp, Traits::kBlocks)
    layernorm_backward_kernel(Backward<T> args) {
  const int channels = args.channels, warps = static_cast<int>(blockDim.x / kWarp),
            warp = static_cast<int>(threadIdx.x / kWarp);
  args.dropout.step = step_of(args.dropout);
  float* partial = warp_row(channels, 2);
  if (args.partials != nullptr)
    for (int c = static_cast<int>(threadIdx.x % kWarp) * W; c < channels; c += kWarp * W) {
      const float zero[W] = {};
      store_shared_floats(partial + c, zero);
      store_shared_floats(partial + channels + c, zero);
    }
  for (std::int64_t n = static_cast<std::int64_t>(blockIdx.x) * warps + warp; n < args.rows;
       n += static_cast<std::int64_t>(gridDim.x) * warps)
    backward_row<T, W>(args, partial, n);
  if (args.partials == nullptr) return;
  __syncthreads();
  const float* all = reinterpret_cast<const float*>(dynamic_shared());
  for (int i = static_cast<int>(threadIdx.x); i < 2 * channels; i += static_cast<int>(blockDim.x)) {
    float sum = 0;
    for (int w = 0; w < warps; ++w) sum += load_shared(all + w * 2 * channels + i);
    store_global(args.partials + static_cast<std::int64_t>(blockIdx.x) * 2 * channels + i, sum);
  }
}

int warps_for(std::int64_t channels, std::size_t bytes_per_channel) {
  const std::size_t row = static_cast<std::size_t>(channels) * bytes_per_channel;
  CHECK(row <= cuda::device_info().shared_bytes, "layernorm: rows of ", channels,
        " channels are longer than CUDA kernels support");
  return static_cast<int>(
      std::clamp<std::size_t>(Traits::kSharedBytes / std::max<std::size_t>(row, 1), 1, Traits::kMaxWarps));
}

}  // namespace

void layernorm_forward(const CudaContext& context, const LayerNormForward& args) {
  cuda::dispatch_device_float(args.dtype, "layernorm", [&]<class T>() {
    const int warps = warps_for(args.channels, sizeof(float));
    const bool wide = args.channels % cuda::kVectorWidth<float> == 0 &&
                      cuda::aligned(args.y, args.stream, args.sum, args.x, args.residual, args.weight, args.bias);
    const bool residual = args.residual != nullptr;
    const Forward<T> arguments{.y = static_cast<T*>(args.y),
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
    cuda::with_width<float>(wide, [&](auto width) {
      cuda::launch("layernorm_forward", layernorm_forward_kernel<T, decltype(width)::value>,
                   {cuda::blocks_for(args.rows, warps)}, {static_cast<unsigned>(warps * kWarp)},
                   static_cast<std::size_t>(warps * args.channels) * sizeof(float), context.stream(), arguments);
    });
  });
}

void layernorm_backward(const CudaContext& context, const LayerNormBackward& args) {
  cuda::dispatch_device_float(args.dtype, "layernorm backward", [&]<class T>() {
    const bool parameters = args.dweight || args.dbias;
    const int warps = warps_for(args.channels, 2 * sizeof(float));
    const std::int64_t blocks = std::min(ceil_div<std::int64_t>(args.rows, warps), Traits::kMaxBlocks);
    const bool wide =
        args.channels % cuda::kVectorWidth<float> == 0 &&
        cuda::aligned(args.dx.data, args.dresidual.data, args.dy, args.dstream, args.dsum, args.sum, args.weight);
    const cuda::Scratch partials(static_cast<std::size_t>(parameters ? blocks * 2 * args.channels : 0) * sizeof(float),
                                 context.stream());
    const GradOut ds = args.residual ? args.dresidual : args.dx, dbranch = args.residual ? args.dx : GradOut{};
    const Backward<T> arguments{.dbranch = static_cast<T*>(dbranch.data),
                                .ds = static_cast<float*>(ds.data),
                                .accumulate_dbranch = dbranch.accumulate(),
                                .accumulate_ds = ds.accumulate(),
                                .partials = parameters ? partials.as<float>() : nullptr,
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
                   parameters ? static_cast<std::size_t>(warps * 2 * args.channels) * sizeof(float) : 0,
                   context.stream(), arguments);
    });
    const auto finish = [&](const GradOut& out, std::int64_t offset) {
      if (out)
        cuda::sum_columns(context, {.out = out,
                                    .x = partials.as<float>() + offset,
                                    .rows = blocks,
                                    .channels = args.channels,
                                    .row_stride = 2 * args.channels,
                                    .dtype = DType::kFloat32,
                                    .out_dtype = DType::kFloat32});
    };
    finish(args.dweight, 0);
    finish(args.dbias, args.channels);
  });
}

}  // namespace attune::kernels
