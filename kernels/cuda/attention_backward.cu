// Attention backward (kernels/attention.h) without atomics: P is computed again from lse, twice, once by the block that
// owns the queries (dQ) and once by the block that owns the keys (dK, dV). This takes seven products instead of the
// five with an atomic dQ, and makes the gradient the same in every run.
//
// Short sequences in bfloat16 go to attention_backward_short.cu. For all others, first a kernel writes
// delta = rowsum(dO * O). Then, in both kernels, a block owns 64 rows of one head, a warp 16, and walks over tiles of
// the rows that can meet them, copied by cp.async. The dQ kernel holds Q, dO and walks over K, V. The dK dV kernel
// holds K, V and walks over Q, dO with everything transposed, so that the first products leave P^T and dS^T in the
// registers from which the second products read them. Float32 sums; bfloat16 or split tf32 operands (tile.cuh).
// Deterministic.
//
// Shared memory, D = 64: 36 KiB in bfloat16 (51 KiB float32), D = 128: 51 KiB (83 KiB). Registers limit occupancy: 128
// in the dQ kernel at D = 64 (four blocks of 4 warps on an sm_80 multiprocessor), 192 in the dK dV kernel with its two
// accumulators of D / 8 x 4 and two of the walked tile (two blocks); 230 at D = 128. Float32 needs more, and at D = 128
// spills a few (scripts/kernel_resources.py). Reads Q, K, V, O, dO once, and reads the walked tensors again for every
// 64 rows, from the L2 cache. Bound by tensor cores.
#include "kernels/cuda/attention_backward.cuh"
#include "kernels/cuda/context.h"
#include "kernels/cuda/cudnn_attention.h"
#include "kernels/cuda/memory.h"

namespace attune::kernels {
namespace {

using namespace device;

struct DeltaTraits {
  static constexpr int kThreads = 128;
};

// delta[h, n] = sum_d dout[n, h, d] out[n, h, d]. A block owns a row. With vectors, `lanes` of them (a power of two)
// make a head; without, a thread owns a head.
template <class T, int W>
__global__ void __launch_bounds__(DeltaTraits::kThreads)
    attention_delta_kernel(float* delta, const T* dout, const T* out, std::int64_t rows, int heads, int head_size) {
  const std::int64_t n = blockIdx.x, at = n * heads * head_size;
  if constexpr (W == 1) {
    for (int h = static_cast<int>(threadIdx.x); h < heads; h += DeltaTraits::kThreads) {
      float sum = 0;
      for (int d = 0; d < head_size; ++d)
        sum += to_f(load_global(dout + at + h * head_size + d)) * to_f(load_global(out + at + h * head_size + d));
      store_global(delta + h * rows + n, sum);
    }
  } else {
    const int lanes = head_size / W, vectors = heads * lanes;
    for (int first = 0; first < vectors; first += DeltaTraits::kThreads) {
      const int i = first + static_cast<int>(threadIdx.x);
      float sum = 0;
      if (i < vectors) {
        float a[W], b[W];
        load(a, dout + at + i * W);
        load(b, out + at + i * W);
        for (int j = 0; j < W; ++j) sum += a[j] * b[j];
      }
      for (int step = lanes / 2; step > 0; step /= 2) sum += __shfl_xor_sync(kAllLanes, sum, step);
      if (i < vectors && i % lanes == 0) store_global(delta + i / lanes * rows + n, sum);
    }
  }
}

template <class T, int D, bool kVector, bool kDropout>
__global__ void __launch_bounds__(AttentionTraits<T, D>::kThreads) attention_dq_kernel(Backward<T> args) {
  using Traits = AttentionTraits<T, D>;
  constexpr int kKeys = Traits::kWalked, kStride = Traits::kStride;
  const AttentionPlan& plan = args.plan;
  const Sequence s(plan, static_cast<int>(blockIdx.y), static_cast<int>(blockIdx.x));
  const int block_query = static_cast<int>(gridDim.z - 1 - blockIdx.z) * Traits::kOwn;
  if (block_query >= s.length) return;
  const int own = static_cast<int>(threadIdx.x / kWarp) * 16, first_query = block_query + own;

  T* q_tile = reinterpret_cast<T*>(dynamic_shared());
  T* dout_tile = q_tile + Traits::kOwn * kStride;
  T* k_tile = dout_tile + Traits::kOwn * kStride;
  T* v_tile = k_tile + kKeys * kStride;
  const auto row = [&](int i) { return s.row(i, plan.row_stride, plan.head_size); };
  const PositionRange keys =
      s.keys_of(plan, {block_query, block_query + Traits::kOwn < s.length ? block_query + Traits::kOwn : s.length});
  load_tile<Traits::kOwn, D, Traits::kThreads, kVector>(q_tile, args.q + row(block_query), plan.row_stride,
                                                        s.length - block_query, plan.head_size);
  load_tile<Traits::kOwn, D, Traits::kThreads, kVector>(dout_tile,
                                                        args.dout + s.row(block_query, args.dense, plan.head_size),
                                                        args.dense, s.length - block_query, plan.head_size);
  cp_async_commit();

  // Of the lane's queries g and g + 8.
  const bool dropping = drops<kVector, kDropout>(plan);
  const float scale = plan.scale * kLog2E;
  float lse[2] = {}, delta[2] = {};
  std::uint32_t row_keys[2] = {};
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int i = first_query + lane_id() / 4 + 8 * half;
    if (i >= s.length) continue;
    lse[half] = load_lse(args.lse + s.statistic(plan, i));
    delta[half] = load_global(args.delta + s.statistic(plan, i));
    if (dropping) row_keys[half] = query_key(plan, s, i);
  }

  float dq[D / 8][4] = {};
  for (int j = keys.begin / kKeys * kKeys; j < keys.end; j += kKeys) {
    __syncthreads();  // no thread reads the last tiles
    load_tile<kKeys, D, Traits::kThreads, kVector>(k_tile, args.k + row(j), plan.row_stride, s.key_length - j,
                                                   plan.head_size);
    cp_async_commit();
    load_tile<kKeys, D, Traits::kThreads, kVector>(v_tile, args.v + row(j), plan.row_stride, s.key_length - j,
                                                   plan.head_size);
    cp_async_commit();
    cp_async_wait<1>();
    __syncthreads();  // Q, dO and K are there
    float p[kKeys / 8][4] = {}, ds[kKeys / 8][4] = {};
    multiply_transposed<D>(p, q_tile + own * kStride, k_tile, kStride);
    cp_async_wait<0>();
    __syncthreads();  // V is there
    multiply_transposed<D>(ds, dout_tile + own * kStride, v_tile, kStride);

    mask_keys(p, plan, s, first_query, j);
#pragma unroll
    for (int n = 0; n < kKeys / 8; n += 2) {
      float factors[2][4] = {{1, 1, 1, 1}, {1, 1, 1, 1}};
      if (dropping) dropout_of_queries(factors, plan, s, row_keys, j + 8 * n);
#pragma unroll
      for (int m = 0; m < 2; ++m)
#pragma unroll
        for (int e = 0; e < 4; ++e)
          ds[n + m][e] = probability(p[n + m][e], scale, lse[e / 2]) * (factors[m][e] * ds[n + m][e] - delta[e / 2]);
    }
    multiply_accumulators<T>(dq, ds, k_tile, kStride);
  }
  cp_async_wait<0>();
  __syncthreads();  // Q has arrived even without a key to walk over; its rows are reused

#pragma unroll
  for (int n = 0; n < D / 8; ++n)
#pragma unroll
    for (int e = 0; e < 4; ++e) dq[n][e] *= plan.scale;
  store_accumulators<D, kVector, kStride>(args.dq + row(first_query), plan.row_stride, s.length - first_query,
                                          plan.head_size, q_tile + own * kStride, dq);
}

template <int kQueries>
struct QueryStatistics {
  float lse[kQueries], delta[kQueries];
};

template <class T, int D, bool kVector, bool kDropout>
__global__ void __launch_bounds__(AttentionTraits<T, D>::kThreads) attention_dk_dv_kernel(Backward<T> args) {
  using Traits = AttentionTraits<T, D>;
  constexpr int kQueries = Traits::kWalked, kStride = Traits::kStride;
  const AttentionPlan& plan = args.plan;
  const Sequence s(plan, static_cast<int>(blockIdx.y), static_cast<int>(blockIdx.x));
  const int block_key = static_cast<int>(blockIdx.z) * Traits::kOwn;
  if (block_key >= s.length) return;
  const int own = static_cast<int>(threadIdx.x / kWarp) * 16, first_key = block_key + own;

  QueryStatistics<kQueries>& statistics = shared_variable<QueryStatistics<kQueries>>();
  T* k_tile = reinterpret_cast<T*>(dynamic_shared());
  T* v_tile = k_tile + Traits::kOwn * kStride;
  T* q_tile = v_tile + Traits::kOwn * kStride;
  T* dout_tile = q_tile + kQueries * kStride;
  const auto row = [&](int i) { return s.row(i, plan.row_stride, plan.head_size); };
  load_tile<Traits::kOwn, D, Traits::kThreads, kVector>(k_tile, args.k + row(block_key), plan.row_stride,
                                                        s.key_length - block_key, plan.head_size);
  load_tile<Traits::kOwn, D, Traits::kThreads, kVector>(v_tile, args.v + row(block_key), plan.row_stride,
                                                        s.key_length - block_key, plan.head_size);
  cp_async_commit();

  const PositionRange queries = s.queries_of(plan, {block_key, block_key + Traits::kOwn});
  const bool dropping = drops<kVector, kDropout>(plan);
  const float scale = plan.scale * kLog2E;
  float dk[D / 8][4] = {}, dv[D / 8][4] = {};
  for (int i = queries.begin / kQueries * kQueries; i < queries.end; i += kQueries) {
    __syncthreads();  // no thread reads the last tiles
    load_tile<kQueries, D, Traits::kThreads, kVector>(q_tile, args.q + row(i), plan.row_stride, s.length - i,
                                                      plan.head_size);
    load_tile<kQueries, D, Traits::kThreads, kVector>(dout_tile, args.dout + s.row(i, args.dense, plan.head_size),
                                                      args.dense, s.length - i, plan.head_size);
    cp_async_commit();
    if (static_cast<int>(threadIdx.x) < kQueries) {
      const int query = i + static_cast<int>(threadIdx.x);
      const bool valid = query < s.length;
      store_shared(&statistics.lse[threadIdx.x], valid ? load_lse(args.lse + s.statistic(plan, query)) : 0.0f);
      store_shared(&statistics.delta[threadIdx.x], valid ? load_global(args.delta + s.statistic(plan, query)) : 0.0f);
    }
    cp_async_wait<0>();
    __syncthreads();                                          // all tiles are there
    float p[kQueries / 8][4] = {}, ds[kQueries / 8][4] = {};  // transposed: rows are keys
    multiply_transposed<D>(p, k_tile + own * kStride, q_tile, kStride);
    multiply_transposed<D>(ds, v_tile + own * kStride, dout_tile, kStride);

    mask_queries(p, plan, s, i, first_key);
#pragma unroll
    for (int n = 0; n < kQueries / 8; n += 2) {
      float factors[2][4] = {{1, 1, 1, 1}, {1, 1, 1, 1}};
      if (dropping) dropout_of_keys(factors, plan, s, query_key(plan, s, i + 8 * n + drawn_query()), first_key);
#pragma unroll
      for (int m = 0; m < 2; ++m) {
        const int column = 8 * (n + m) + 2 * (lane_id() % 4);
        const auto lse = load_shared(reinterpret_cast<const Vec<float, 2>*>(&statistics.lse[column])),
                   delta = load_shared(reinterpret_cast<const Vec<float, 2>*>(&statistics.delta[column]));
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          const float x = probability(p[n + m][e], scale, lse.v[e % 2]);
          ds[n + m][e] = x * (factors[m][e] * ds[n + m][e] - delta.v[e % 2]);
          p[n + m][e] = x * factors[m][e];
        }
      }
    }
    multiply_accumulators<T>(dv, p, dout_tile, kStride);
    multiply_accumulators<T>(dk, ds, q_tile, kStride);
  }
  cp_async_wait<0>();
  __syncthreads();  // K and V have arrived even without a query to walk over; their rows are reused

#pragma unroll
  for (int n = 0; n < D / 8; ++n)
#pragma unroll
    for (int e = 0; e < 4; ++e) dk[n][e] *= plan.scale;
  store_accumulators<D, kVector, kStride>(args.dk + row(first_key), plan.row_stride, s.length - first_key,
                                          plan.head_size, k_tile + own * kStride, dk);
  store_accumulators<D, kVector, kStride>(args.dv + row(first_key), plan.row_stride, s.length - first_key,
                                          plan.head_size, v_tile + own * kStride, dv);
}

template <class T>
void launch_delta(const CudaContext& context, float* delta, const AttentionBackward& args) {
  const AttentionLayout& layout = args.layout;
  const std::int64_t lanes = layout.head_size / cuda::kVectorWidth<T>;
  const bool wide = layout.head_size % cuda::kVectorWidth<T> == 0 && (lanes & (lanes - 1)) == 0 && lanes <= kWarp &&
                    cuda::aligned(args.dout, args.out);
  cuda::with_width<T>(wide, [&](auto width) {
    cuda::launch("attention_delta", attention_delta_kernel<T, decltype(width)::value>, {narrow<unsigned>(layout.rows)},
                 {DeltaTraits::kThreads}, 0, context.stream(), delta, static_cast<const T*>(args.dout),
                 static_cast<const T*>(args.out), layout.rows, narrow<int>(layout.heads),
                 narrow<int>(layout.head_size));
  });
}

}  // namespace

void attention_backward(const CudaContext& context, const AttentionBackward& args) {
  if (auto* cudnn = context.cudnn_attention()) return cuda::cudnn_attention_backward(context, *cudnn, args);
  const AttentionLayout& layout = args.layout;
  cuda::dispatch_device_float(args.dtype, "attention backward", [&]<class T>() {
    Backward<T> arguments{.dq = static_cast<T*>(args.dq),
                          .dk = static_cast<T*>(args.dk),
                          .dv = static_cast<T*>(args.dv),
                          .dout = static_cast<const T*>(args.dout),
                          .out = static_cast<const T*>(args.out),
                          .lse = static_cast<const float*>(args.lse),
                          .delta = nullptr,
                          .q = static_cast<const T*>(args.q),
                          .k = static_cast<const T*>(args.k),
                          .v = static_cast<const T*>(args.v),
                          .plan = plan_of(layout, args.row_stride),
                          .dense = layout.heads * layout.head_size};
    const bool pointers = cuda::aligned(args.dq, args.dk, args.dv, args.dout, args.out, args.q, args.k, args.v);
    if constexpr (std::is_same_v<T, BFloat16>)
      if (pointers && attention_backward_in_one(context, arguments, layout)) return;
    const cuda::Scratch delta(static_cast<std::size_t>(layout.heads * layout.rows) * sizeof(float), context.stream());
    launch_delta<T>(context, delta.as<float>(), args);
    arguments.delta = delta.as<float>();
    cuda::dispatch_head<T>("attention backward", layout, args.row_stride, pointers,
                           [&](auto size, auto vectors, auto dropout) {
                             constexpr int D = decltype(size)::value;
                             constexpr bool kVector = decltype(vectors)::value, kDropout = decltype(dropout)::value;
                             using Traits = AttentionTraits<T, D>;
                             const cuda::Dim3 grid = cuda::attention_grid(layout, Traits::kOwn);
                             cuda::launch("attention_dq", attention_dq_kernel<T, D, kVector, kDropout>, grid,
                                          {Traits::kThreads}, Traits::kBackwardBytes, context.stream(), arguments);
                             cuda::launch("attention_dk_dv", attention_dk_dv_kernel<T, D, kVector, kDropout>, grid,
                                          {Traits::kThreads}, Traits::kBackwardBytes, context.stream(), arguments);
                           });
  });
}

}  // namespace attune::kernels
