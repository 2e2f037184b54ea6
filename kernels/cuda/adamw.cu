// AdamW over all parameters in one launch, the norm of all gradients and their clipping (kernels/adamw.h).
//
// The tensors are cut into chunks of 2048 elements, those of the norm of 16,384; a block owns a chunk and finds its
// tensor by bisection in a table that lies on the device and is sent only when it changes. (Of the norm that search
// took most of the time in chunks of 2048: a block has little else to do.) A thread owns 8 or 64 elements, in 16-byte
// vectors if the tensor's pointers are aligned. Moments are float32. With bfloat16 parameters the update acts on the
// float32 master copy and the parameter is its rounding. Moves 28 bytes per float32 element, 30 per bfloat16 one: bound
// by memory bandwidth. The norm adds the squares of a vector in float32 and the rest in float64, in a fixed order: per
// thread, per block, then the blocks' sums by one block. A chunk of a row gradient without a row that has one is not
// read: its sum is 0. Every thread reads the scalars of the step from memory, where they stay in the cache.
// Deterministic.
#include "kernels/adamw.h"

#include <limits>
#include <vector>

#include "kernels/cuda/context.h"
#include "kernels/cuda/device/adamw.cuh"
#include "kernels/cuda/device/reduce.cuh"
#include "kernels/cuda/device/tensor_list.cuh"
#include "kernels/cuda/device/vec.cuh"
#include "kernels/cuda/dispatch.h"
#include "kernels/cuda/memory.h"
#include "kernels/row_gradient.h"

namespace attune::kernels {
namespace {

using namespace device;

struct AdamWTraits {
  static constexpr int kThreads = 256;
  static constexpr int kChunk = kThreads * 8;       // of adamw
  static constexpr int kNormChunk = kThreads * 64;  // of the norm
  static_assert(kNormChunk == kNormPiece);
  static constexpr int kNormThreads = 1024;  // of the block that adds the chunks' sums
};

// A tensor as the kernels see it.
struct Entry {
  void* param;
  const void* grad;
  float* m;
  float* v;
  float* master;              // null: param itself is float32
  const std::int32_t* marks;  // null: grad is dense
  std::int64_t channels;      // of a row gradient
  std::int64_t n;
  std::int32_t first_chunk;
  std::int32_t wide;      // all pointers allow 16-byte accesses
  std::int32_t bfloat16;  // else float32
  std::int32_t group;     // its scalars; no padding: equal tables are equal bytes
};

// The tensor that chunk `blockIdx.x` belongs to.
__device__ Entry own_entry(const Entry* entries, int count) {
  const Entry* own = entries + own_tensor(entries, count);
  Entry e;
  e.param = load_global(&own->param);
  e.grad = load_global(&own->grad);
  e.m = load_global(&own->m);
  e.v = load_global(&own->v);
  e.master = load_global(&own->master);
  e.marks = load_global(&own->marks);
  e.channels = load_global(&own->channels);
  e.n = load_global(&own->n);
  e.first_chunk = load_global(&own->first_chunk);
  e.wide = load_global(&own->wide);
  e.bfloat16 = load_global(&own->bfloat16);
  e.group = load_global(&own->group);
  return e;
}

template <class T, int W>
__device__ void update(const Entry& e, const AdamWFactors& s, std::int64_t i) {
  T* const param = in_global(static_cast<T*>(e.param) + i);
  float* const m_of = in_global(e.m + i);
  float* const v_of = in_global(e.v + i);
  float g[W], m[W], v[W], p[W];
  load(g, in_global(static_cast<const T*>(e.grad) + i));
  load(m, m_of);
  load(v, v_of);
  if constexpr (sizeof(T) == sizeof(float))
    load(p, param);
  else
    load(p, in_global(e.master + i));
  for (int j = 0; j < W; ++j) adamw_step(p[j], m[j], v[j], g[j], s);
  store(m_of, m);
  store(v_of, v);
  if constexpr (sizeof(T) != sizeof(float)) store(in_global(e.master + i), p);
  store(param, p);
}

__global__ void __launch_bounds__(AdamWTraits::kThreads)
    adamw_kernel(const Entry* entries, int count, AdamWRecipe recipe) {
  const Entry e = own_entry(entries, count);
  const AdamWFactors factors = factors_of(recipe, e.group);
  if (factors.grad_scale != factors.grad_scale) return;  // NaN
  for_own_elements<AdamWTraits::kThreads, 4, 1>(e, own_range<AdamWTraits::kChunk>(e), [&](auto width, std::int64_t i) {
    constexpr int W = decltype(width)::value;
    if (e.bfloat16 != 0)
      update<BFloat16, W>(e, factors, i);
    else
      update<float, W>(e, factors, i);
  });
}

// Whether a row of this block's chunk has a gradient. All threads must call it.
__device__ bool any_row(const Entry& e, const Range& chunk) {
  const std::int64_t rows = (chunk.end - 1) / e.channels + 1;
  int found = 0;
  for (std::int64_t row = chunk.begin / e.channels + threadIdx.x; row < rows; row += AdamWTraits::kThreads)
    if (load_global(in_global(e.marks + row)) >= kFirstSlot) found = 1;
  return block_sum(found) > 0;
}

// Element `column` of a row of a row gradient.
__device__ float row_element(const Entry& e, std::int64_t row, std::int64_t column) {
  const std::int32_t mark = load_global(in_global(e.marks + row));
  if (mark < kFirstSlot) return 0;
  return load_global(in_global(static_cast<const float*>(e.grad) + (mark - kFirstSlot) * e.channels + column));
}

// The sum of W squares: of numbers whose squares are far from the limits of float32 in float32, which saves most of the
// conversions to float64, the slowest part of the norm.
template <int W>
__device__ double squares_of(const float (&g)[W]) {
  float sum = 0;
  for (float x : g) sum += x * x;
  if (sum > 1e-30f && sum < 1e30f) return static_cast<double>(sum);
  double exact = 0;
  for (float x : g) exact += static_cast<double>(x) * static_cast<double>(x);
  return exact;
}

// Adds this thread's part of the squares of a chunk, whose elements load_elements(g, i) reads.
template <int W, class Load>
__device__ void add_squares(double& sum, const Entry& e, const Range& chunk, Load&& load_elements) {
  for_own_elements<AdamWTraits::kThreads, W, 1>(e, chunk, [&](auto width, std::int64_t i) {
    float g[decltype(width)::value];
    load_elements(g, i);
    sum += squares_of(g);
  });
}

template <class T>
__device__ double dense_squares(const Entry& e, const Range& chunk) {
  // Counted from the chunk's begin, which leaves registers for two more blocks of a multiprocessor.
  const T* grad = in_global(static_cast<const T*>(e.grad) + chunk.begin);
  const int n = static_cast<int>(chunk.end - chunk.begin);
  // Four vectors at a time. In one loop with squares_of, whose rare case is a branch, no load would begin before the
  // vector ahead of it was added.
  constexpr int W = 16 / sizeof(T), kLoads = 4, kStep = AdamWTraits::kThreads * W;
  const int grouped = e.wide != 0 ? n / (kLoads * kStep) * (kLoads * kStep) : 0;
  double sum = 0;
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x) * W; i < grouped; i += kLoads * kStep) {
    Vec<T, W> loaded[kLoads];
#pragma unroll
    for (int j = 0; j < kLoads; ++j) loaded[j] = load_global(reinterpret_cast<const Vec<T, W>*>(grad + i + j * kStep));
#pragma unroll
    for (const Vec<T, W>& vector : loaded) {
      float g[W];
      for (int k = 0; k < W; ++k) g[k] = to_f(vector.v[k]);
      sum += squares_of(g);
    }
  }
  add_squares<W>(sum, e, {grouped, n}, [grad](auto& g, std::int64_t i) { load(g, grad + i); });
  return sum;
}

__device__ double row_squares(const Entry& e, const Range& chunk) {
  double sum = 0;
  if (!any_row(e, chunk)) return sum;
  add_squares<4>(sum, e, chunk, [&](auto& g, std::int64_t i) {
    std::int64_t row = i / e.channels, column = i - row * e.channels;
    for (float& x : g) {
      x = row_element(e, row, column);
      if (++column == e.channels) ++row, column = 0;
    }
  });
  return sum;
}

__global__ void __launch_bounds__(AdamWTraits::kThreads, 8)
    squares_kernel(double* sums, const Entry* entries, int count) {
  const Entry e = own_entry(entries, count);
  const Range chunk = own_range<AdamWTraits::kNormChunk>(e);
  const double own = e.marks != nullptr ? row_squares(e, chunk)
                     : e.bfloat16 != 0  ? dense_squares<BFloat16>(e, chunk)
                                        : dense_squares<float>(e, chunk);
  const double sum = block_sum(own);
  if (threadIdx.x == 0) store_global(sums + blockIdx.x, sum);
}

__global__ void __launch_bounds__(AdamWTraits::kNormThreads) norm_kernel(double* norm, const double* sums, int count) {
  double sum = 0;
#pragma unroll 4
  for (int i = static_cast<int>(threadIdx.x); i < count; i += AdamWTraits::kNormThreads) sum += load_global(sums + i);
  sum = block_sum(sum);
  if (threadIdx.x == 0) store_global(norm, sqrt(sum));
}

__global__ void __launch_bounds__(1) stop_at_loss_kernel(double* stop, const float* loss) {
  const bool finite = fabsf(load_global(loss)) <= std::numeric_limits<float>::max();
  if (!finite) store_global(stop, std::numeric_limits<double>::quiet_NaN());
}

__global__ void __launch_bounds__(1) clip_scale_kernel(ClipScale args) {
  const double scale = clip_scale(load_global(args.norm), args.max_norm), before = load_global(args.stop);
  const double stop = scale != scale ? scale : before;
  if (scale != scale) store_global(args.stop, stop);
  store_global(args.scale, stop != stop ? stop : scale);
}

// The table of all tensors with elements, and the number of chunks of `chunk` elements.
struct Table {
  std::int64_t chunk;
  std::vector<Entry> entries = {};
  std::int32_t chunks = 0;

  void add(Entry e) {
    if (e.n == 0) return;
    e.first_chunk = chunks;
    e.wide = cuda::aligned(e.param, e.grad, e.m, e.v, e.master) ? 1 : 0;
    chunks = narrow<std::int32_t>(chunks + ceil_div(e.n, chunk));
    entries.push_back(e);
  }
  const Entry* on_device(const CudaContext& context) const {
    return static_cast<const Entry*>(context.constant(std::as_bytes(std::span(entries))));
  }
  int count() const { return static_cast<int>(entries.size()); }
};

std::int32_t is_bfloat16(DType dtype) {
  return cuda::dispatch_device_float(dtype, "adamw", [&]<class T>() { return sizeof(T) == sizeof(BFloat16) ? 1 : 0; });
}

// The table of the norm's tensors.
Table norm_table(std::span<const GradNormTensor> tensors) {
  Table table{.chunk = AdamWTraits::kNormChunk};
  for (const GradNormTensor& t : tensors)
    table.add({.param = nullptr,
               .grad = t.data,
               .m = nullptr,
               .v = nullptr,
               .master = nullptr,
               .marks = t.marks,
               .channels = t.channels,
               .n = t.n,
               .first_chunk = 0,
               .wide = 0,
               .bfloat16 = is_bfloat16(t.dtype),
               .group = 0});
  return table;
}

}  // namespace

void adamw(const CudaContext& context, const AdamW& args) {
  Table table{.chunk = AdamWTraits::kChunk};
  for (const AdamWTensor& t : args.tensors) {
    CHECK(t.dtype == DType::kFloat32 || t.master != nullptr, "adamw: ", name_of(t.dtype),
          " parameters need a float32 master copy");
    table.add({.param = t.param,
               .grad = t.grad,
               .m = static_cast<float*>(t.m),
               .v = static_cast<float*>(t.v),
               .master = static_cast<float*>(t.master),
               .marks = nullptr,
               .channels = 0,
               .n = t.n,
               .first_chunk = 0,
               .wide = 0,
               .bfloat16 = is_bfloat16(t.dtype),
               .group = t.group});
  }
  if (table.entries.empty()) return;
  const auto recipe = AdamWRecipe::of(args.scalars, args.grad_scale, args.beta1, args.beta2, args.eps);
  cuda::launch("adamw", adamw_kernel, {static_cast<unsigned>(table.chunks)}, {AdamWTraits::kThreads}, 0,
               context.stream(), table.on_device(context), table.count(), recipe);
}

void grad_squares(const CudaContext& context, const GradSquares& args) {
  const Table table = norm_table(args.tensors);
  if (table.chunks > 0)
    cuda::launch("grad_norm", squares_kernel, {static_cast<unsigned>(table.chunks)}, {AdamWTraits::kThreads}, 0,
                 context.stream(), args.sums, table.on_device(context), table.count());
}

void norm_of_squares(const CudaContext& context, const NormOfSquares& args) {
  cuda::launch("grad_norm_sum", norm_kernel, {1}, {AdamWTraits::kNormThreads}, 0, context.stream(), args.norm,
               args.sums, narrow<int>(args.pieces));
}

void grad_norm(const CudaContext& context, const GradNorm& args) {
  std::int64_t pieces = 0;
  for (const GradNormTensor& t : args.tensors) pieces += ceil_div(t.n, kNormPiece);
  const cuda::Scratch sums(static_cast<std::size_t>(pieces) * sizeof(double), context.stream());
  grad_squares(context, {.sums = sums.as<double>(), .tensors = args.tensors});
  norm_of_squares(context, {.norm = args.norm, .sums = sums.as<double>(), .pieces = pieces});
}

void stop_at_loss(const CudaContext& context, const StopAtLoss& args) {
  CHECK(args.dtype == DType::kFloat32, "stop at a loss: no CUDA implementation for dtype ", args.dtype);
  cuda::launch("stop_at_loss", stop_at_loss_kernel, {1}, {1}, 0, context.stream(), args.stop,
               static_cast<const float*>(args.loss));
}

void clip_scale(const CudaContext& context, const ClipScale& args) {
  cuda::launch("clip_scale", clip_scale_kernel, {1}, {1}, 0, context.stream(), args);
}

}  // namespace attune::kernels
