// Attention forward (kernels/attention.h), flash style: the scores never leave the multiprocessor.
//
// A block of four warps owns 128 queries of one head of one sequence (bfloat16 in whole vectors, D <= 64, sequences of
// more than 64 rows) or 64; it walks over tiles of keys that any of its queries may see. Q stays in shared memory; K
// and V have two tiles each, and cp.async fills one pair while the other is used. A warp owns 16 queries, or two groups
// of 16, w and 7 - w: what it reads of K and V then serves two products, and a causal mask leaves every warp the same
// work. Softmax runs in base 2 on the accumulators, with the running maximum and sum of FlashAttention-2; P goes to the
// second product from registers, in bfloat16 (in split tf32 for float32: tile.cuh). Groups that see no key of a tile
// skip it; only tiles at the edge of the mask are masked element by element. Sums in float32; deterministic.
//
// Shared memory for D = 64: 54 KiB for 128 queries in bfloat16, 45 KiB for 64 (51 KiB float32), for D = 128 51 KiB
// (66 KiB). Registers: 225 per thread for two groups, 64 each for O and for the scores: two blocks of 4 warps on a
// multiprocessor; 103 for one group. Moves Q, O once and K, V once per block's queries, mostly from the L2 cache;
// 4 N T D flops per head: bound by tensor cores from T of a few hundred on.
//
// Dao: "FlashAttention-2", arXiv 2307.08691.
#include "kernels/cuda/attention.cuh"
#include "kernels/cuda/context.h"
#include "kernels/cuda/cudnn_attention.h"

namespace attune::kernels {
namespace {

using namespace device;

constexpr float kLn2 = 0.6931471805599453f;

template <class T>
struct Forward {
  T* out;
  float* lse;
  const T* q;
  const T* k;
  const T* v;
  AttentionPlan plan;
};

// Running maximum and sum of the lane's rows g and g + 8, in base 2.
struct OnlineSoftmax {
  float largest[2] = {-INFINITY, -INFINITY};  // of the scores times `scale`
  float sum[2] = {0, 0};                      // of the lane's own columns

  // Turns scores into probabilities 2^(scale score - maximum) relative to the new maximum; returns what older sums are
  // to be multiplied with.
  template <int N>
  __device__ __forceinline__ void update(float (&s)[N][4], float scale, float (&rescale)[2]) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float top = s[0][2 * half];
#pragma unroll
      for (int n = 0; n < N; ++n) top = fmaxf(top, fmaxf(s[n][2 * half], s[n][2 * half + 1]));
      top = fmaxf(top, __shfl_xor_sync(kAllLanes, top, 1));
      top = fmaxf(top, __shfl_xor_sync(kAllLanes, top, 2));
      const float now = fmaxf(largest[half], top * scale);
      const float base = now == -INFINITY ? 0.0f : now;  // no key yet: all probabilities are 2^-inf = 0
      rescale[half] = fast_exp2(largest[half] - base);
      largest[half] = now;
      sum[half] *= rescale[half];
      // The exponent is one fused multiply-add. It is off by the rounding of `base`, as are the sum and lse. Where
      // that might be a whole unit, the product is rounded too.
      float factor = scale;
      if (fabsf(base) > 0x1p16f) {
#pragma unroll
        for (int n = 0; n < N; ++n) s[n][2 * half] *= scale, s[n][2 * half + 1] *= scale;
        factor = 1;
      }
#pragma unroll
      for (int n = 0; n < N; ++n)
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          s[n][i] = fast_exp2(s[n][i] * factor - base);
          sum[half] += s[n][i];
        }
    }
  }
};

// A warp's G groups of 16 queries.
template <class T, int D, int G, bool kVector, bool kDropout>
struct Queries {
  using Traits = AttentionTraits<T, D>;
  static constexpr int kKeys = Traits::kWalked, kStride = Traits::kStride, kRows = G * Traits::kOwn;

  const Forward<T>& args;
  const AttentionPlan& plan;
  const Sequence& s;
  T* tile;           // of the block's queries
  int block_query;   // the first of them
  int first[G];      // query of each group
  const T* rows[G];  // where they are in the tile
  bool drops;
  std::uint32_t row_keys[G][2] = {};  // of the lane's queries
  OnlineSoftmax softmax[G];
  float out[G][D / 8][4] = {};

  __device__ __forceinline__ Queries(const Forward<T>& args_, const Sequence& sequence, int first_query)
      : args(args_),
        plan(args_.plan),
        s(sequence),
        tile(reinterpret_cast<T*>(dynamic_shared())),
        block_query(first_query),
        drops(kDropout && args_.plan.dropout.row_keys != nullptr) {
    const int warp = static_cast<int>(threadIdx.x / kWarp);
#pragma unroll
    for (int r = 0; r < G; ++r) {
      const int group = r == 0 ? warp : 2 * Traits::kWarps - 1 - warp;
      first[r] = block_query + 16 * group;
      rows[r] = tile + 16 * group * kStride;
      for (int half = 0; drops && half < 2; ++half)
        row_keys[r][half] = query_key(plan, s, first[r] + lane_id() / 4 + 8 * half);
    }
  }

  // Whether any query of a group sees any of the keys.
  __device__ bool meets(int r, Range keys) const {
    const Range seen = s.keys_of(plan, {first[r], first[r] + 16});
    return first[r] < s.length && seen.begin < keys.end && seen.end > keys.begin;
  }

  // Adds what a tile of keys gives to N of the groups from First on.
  template <int First, int N>
  __device__ __forceinline__ void add_keys(int key, const T* k_tile, const T* v_tile) {
    float scores[G][kKeys / 8][4] = {};
    multiply_transposed<D, First, N>(scores, rows, k_tile, kStride);
#pragma unroll
    for (int r = First; r < First + N; ++r) {
      mask_keys(scores[r], plan, s, first[r], key);
      float rescale[2];
      softmax[r].update(scores[r], plan.scale * kLog2E, rescale);
#pragma unroll
      for (int n = 0; n < D / 8; ++n)
#pragma unroll
        for (int e = 0; e < 4; ++e) out[r][n][e] *= rescale[e / 2];
      if (!drops) continue;
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n) {
        float factors[4];
        dropout_of_queries(factors, plan, s, row_keys[r], key, n);
        for (int e = 0; e < 4; ++e) scores[r][n][e] *= factors[e];
      }
    }
    multiply_accumulators<T, First, N>(out, scores, v_tile, kStride);
  }

  // Writes out and lse, through the warp's own rows of the tile.
  __device__ __forceinline__ void finish() {
    const std::int64_t dense = static_cast<std::int64_t>(plan.heads) * plan.head_size;
#pragma unroll
    for (int r = 0; r < G; ++r) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float sum = softmax[r].sum[half];
        sum += __shfl_xor_sync(kAllLanes, sum, 1);
        sum += __shfl_xor_sync(kAllLanes, sum, 2);
        const float inverse = sum > 0 ? 1.0f / sum : 0.0f;
#pragma unroll
        for (int n = 0; n < D / 8; ++n)
#pragma unroll
          for (int e = 2 * half; e < 2 * half + 2; ++e) out[r][n][e] *= inverse;
        const int i = first[r] + lane_id() / 4 + 8 * half;
        if (args.lse != nullptr && lane_id() % 4 == 0 && i < s.length)
          store_global(args.lse + s.statistic(plan, i),
                       sum > 0 ? (softmax[r].largest[half] + log2f(sum)) * kLn2 : -INFINITY);
      }
      store_accumulators<D, kVector, kStride>(args.out + s.row(first[r], dense, plan.head_size), dense,
                                              s.length - first[r], plan.head_size,
                                              tile + (first[r] - block_query) * kStride, out[r]);
    }
  }
};

template <class T, int D, int G, bool kVector, bool kDropout>
__global__ void __launch_bounds__(AttentionTraits<T, D>::kThreads) attention_forward_kernel(Forward<T> args) {
  using Block = Queries<T, D, G, kVector, kDropout>;
  constexpr int kKeys = Block::kKeys, kStride = Block::kStride, kThreads = Block::Traits::kThreads;
  const AttentionPlan& plan = args.plan;
  const Sequence s(plan, static_cast<int>(blockIdx.y), static_cast<int>(blockIdx.x));
  const int block_query = static_cast<int>(gridDim.z - 1 - blockIdx.z) * Block::kRows;
  if (block_query >= s.length) return;
  Block block(args, s, block_query);
  const auto row = [&](int i) { return s.row(i, plan.row_stride, plan.head_size); };
  T* k_tile = block.tile + Block::kRows * kStride;  // K and V alternate between two tiles each
  T* v_tile = k_tile + 2 * kKeys * kStride;
  const auto load_keys = [&](int key, int at) {
    load_tile<kKeys, D, kThreads, kVector>(k_tile + at * kKeys * kStride, args.k + row(key), plan.row_stride,
                                           s.key_length - key, plan.head_size);
    load_tile<kKeys, D, kThreads, kVector>(v_tile + at * kKeys * kStride, args.v + row(key), plan.row_stride,
                                           s.key_length - key, plan.head_size);
    cp_async_commit();
  };

  const int end_query = block_query + Block::kRows < s.length ? block_query + Block::kRows : s.length;
  const Range keys = s.keys_of(plan, {block_query, end_query});
  const int begin = keys.begin / kKeys * kKeys;
  load_tile<Block::kRows, D, kThreads, kVector>(block.tile, args.q + row(block_query), plan.row_stride,
                                                s.length - block_query, plan.head_size);
  if (begin < keys.end) load_keys(begin, 0);

  for (int key = begin, at = 0; key < keys.end; key += kKeys, at = 1 - at) {
    cp_async_wait<0>();
    __syncthreads();  // the tiles are there; no thread reads the last ones
    if (key + kKeys < keys.end) load_keys(key + kKeys, 1 - at);
    const T *k = k_tile + at * kKeys * kStride, *v = v_tile + at * kKeys * kStride;
    if constexpr (G == 1) {
      block.template add_keys<0, 1>(key, k, v);
    } else {
      const bool first = block.meets(0, {key, key + kKeys}), second = block.meets(1, {key, key + kKeys});
      if (first && second)
        block.template add_keys<0, 2>(key, k, v);
      else if (first)
        block.template add_keys<0, 1>(key, k, v);
      else if (second)
        block.template add_keys<1, 1>(key, k, v);
    }
  }
  cp_async_commit();
  cp_async_wait<0>();
  __syncthreads();  // Q has arrived even without a key to walk over; its rows are reused
  block.finish();
}

}  // namespace

void attention_forward(const CudaContext& context, const AttentionForward& args) {
  if (auto* cudnn = context.cudnn_attention()) return cuda::cudnn_attention_forward(context, *cudnn, args);
  const AttentionLayout& layout = args.layout;
  cuda::dispatch_device_float(args.dtype, "attention", [&]<class T>() {
    const Forward<T> arguments{.out = static_cast<T*>(args.out),
                               .lse = static_cast<float*>(args.lse),
                               .q = static_cast<const T*>(args.q),
                               .k = static_cast<const T*>(args.k),
                               .v = static_cast<const T*>(args.v),
                               .plan = plan_of(layout, args.row_stride)};
    const bool pointers = cuda::aligned(args.out, args.q, args.k, args.v);
    cuda::dispatch_head<T>("attention", layout, args.row_stride, pointers, [&](auto size, auto vectors, auto dropout) {
      constexpr int D = decltype(size)::value;
      constexpr bool kVector = decltype(vectors)::value;
      using Traits = AttentionTraits<T, D>;
      const auto with_groups = [&](auto groups) {
        constexpr int G = decltype(groups)::value;
        cuda::launch("attention_forward", attention_forward_kernel<T, D, G, kVector, decltype(dropout)::value>,
                     cuda::attention_grid(layout, G * Traits::kOwn), {Traits::kThreads}, Traits::forward_bytes(G),
                     context.stream(), arguments);
      };
      if constexpr (std::is_same_v<T, BFloat16> && D <= 64 && kVector)
        if (layout.max_length > Traits::kOwn) return with_groups(std::integral_constant<int, 2>{});
      with_groups(std::integral_constant<int, 1>{});
    });
  });
}

}  // namespace attune::kernels
