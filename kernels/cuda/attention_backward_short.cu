// Attention backward (kernels/attention.h) of short sequences in bfloat16: one kernel, five products, no atomics.
//
// A block owns a head of a sequence, at most 256 rows. K and V stay in shared memory; the block walks over tiles of 64
// queries. A warp owns two groups of 16 keys, w and 2 W - 1 - w of the block's W warps, so that a causal mask leaves
// every warp the same work, and their dK and dV stay in its registers. For a tile it computes S^T = K Q^T and
// dP^T = V dO^T, from them P^T and dS^T, and adds P^T dO and dS^T Q. dS^T also goes to shared memory; after a barrier
// every warp adds up dS K over all keys for 16 queries and half of the columns: that is the tile's dQ. So P is computed
// once, and every sum has a fixed order: the gradient is the same in every run.
//
// Copies by cp.async: Q, dO and O of the next tile, and the K and V that it needs first, arrive while this one is
// computed; delta = rowsum(dO * O) of the next tile is computed next to this tile's dQ. Groups and tiles that the mask
// hides are skipped; only tiles at its edge are masked element by element.
//
// Shared memory for 256 rows and D = 64: 73 KiB for K and V, twice 18 KiB for Q and dO, 9 KiB for O, 36 KiB for dS^T,
// together 153 KiB and 3 KiB of statistics. Registers: 128 for dK and dV, 64 for S^T and dP^T of 32 queries; one block
// of 8 warps fills the register file. Blocks for at most 128 and 64 rows have 4 and 2 warps, so that two and four of
// them run at a time. Q, K, V, O, dO are read once. Bound by tensor cores and the reads of shared memory.
#include "kernels/cuda/attention_backward.cuh"
#include "kernels/cuda/device_info.h"

namespace attune::kernels {
namespace {

using namespace device;
using F = Fragments<BFloat16>;

/// Where a block has its tiles.
template <class Traits>
struct Tiles {
  BFloat16 *k, *v, *q, *dout, *out, *ds;

  __device__ Tiles() {
    k = reinterpret_cast<BFloat16*>(dynamic_shared());
    v = k + Traits::kKeys * Traits::kStride;
    q = v + Traits::kKeys * Traits::kStride;
    dout = q + Traits::kStages * Traits::kTile;
    out = dout + Traits::kStages * Traits::kTile;
    ds = out + Traits::kTile;  // [keys, queries]
  }
};

template <int D, int W, bool kDropout>
struct ShortBackward {
  using Traits = ShortBackwardTraits<D, W>;
  static constexpr int kStride = Traits::kStride, kQueries = Traits::kQueries, kChunk = Traits::kChunk;
  using Rows = RowStatistics<Traits::kKeys>;

  const Backward<BFloat16>& args;
  const AttentionPlan& plan;
  const Sequence& s;
  Rows& statistics;
  Tiles<Traits> tiles;
  int groups[2];  // the warp's keys: 16 from 16 groups[r] on
  float dk[2][D / 8][4], dv[2][D / 8][4];

  __device__ ShortBackward(const Backward<BFloat16>& args_, const Sequence& sequence)
      : args(args_), plan(args_.plan), s(sequence), statistics(shared_variable<Rows>()), dk{}, dv{} {
    groups[0] = static_cast<int>(threadIdx.x / kWarp);
    groups[1] = 2 * W - 1 - groups[0];
  }

  __device__ PositionRange queries_at(int tile) const {
    return {tile, tile + kQueries < s.length ? tile + kQueries : s.length};
  }

  __device__ __forceinline__ void load_statistics() {
    const int i = static_cast<int>(threadIdx.x);
    store_shared(&statistics.lse[i], i < s.length ? load_lse(args.lse + s.statistic(plan, i)) : 0.0f);
    if constexpr (kDropout) store_shared(&statistics.keys[i], query_key(plan, s, i));
  }

  /// Starts copying a tile of queries and the keys from `keys` on that are not there yet. Returns the keys that are.
  __device__ __forceinline__ int load_queries(int tile, int stage, int keys) {
    const auto from = [&](const BFloat16* p, int i) { return p + s.row(i, plan.row_stride, plan.head_size); };
    const std::int64_t dense = s.row(tile, args.dense, plan.head_size);
    const int rows = s.length - tile;
    load_tile<kQueries, D, Traits::kThreads, true>(tiles.q + stage * Traits::kTile, from(args.q, tile), plan.row_stride,
                                                   rows, plan.head_size);
    load_tile<kQueries, D, Traits::kThreads, true>(tiles.dout + stage * Traits::kTile, args.dout + dense, args.dense,
                                                   rows, plan.head_size);
    load_tile<kQueries, D, Traits::kThreads, true>(tiles.out, args.out + dense, args.dense, rows, plan.head_size);
#pragma unroll 1
    for (const int end = s.keys_of(plan, queries_at(tile)).end; keys < end; keys += kQueries) {
      load_tile<kQueries, D, Traits::kThreads, true>(tiles.k + keys * kStride, from(args.k, keys), plan.row_stride,
                                                     s.key_length - keys, plan.head_size);
      load_tile<kQueries, D, Traits::kThreads, true>(tiles.v + keys * kStride, from(args.v, keys), plan.row_stride,
                                                     s.key_length - keys, plan.head_size);
    }
    cp_async_commit();
    return keys;
  }

  /// delta of a tile whose dO and O have arrived.
  __device__ __forceinline__ void compute_delta(int tile, int stage) {
    constexpr int kLanes = Traits::kThreads / kQueries, kWidth = D / kLanes;  // lanes of a row
    const int row = static_cast<int>(threadIdx.x) / kLanes, part = static_cast<int>(threadIdx.x) % kLanes;
    const int at = row * kStride + part * kWidth;
    float sum = 0;
#pragma unroll
    for (int i = 0; i < kWidth; i += 8) {
      using V = Vec<BFloat16, 8>;
      const V a = load_shared(reinterpret_cast<const V*>(tiles.dout + stage * Traits::kTile + at + i));
      const V b = load_shared(reinterpret_cast<const V*>(tiles.out + at + i));
#pragma unroll
      for (int e = 0; e < 8; ++e) sum += to_f(a.v[e]) * to_f(b.v[e]);
    }
#pragma unroll
    for (int step = kLanes / 2; step > 0; step /= 2) sum += __shfl_xor_sync(kAllLanes, sum, step);
    if (part == 0) store_shared(&statistics.delta[tile + row], sum);
  }

  /// Whether any of the queries sees any key of a group.
  __device__ bool meets(int group, PositionRange queries) const {
    const PositionRange seen_by = s.queries_of(plan, {16 * group, 16 * group + 16});
    return seen_by.begin < queries.end && seen_by.end > queries.begin;
  }

  /// From S^T and dP^T of G groups and the queries from `query` on: P^T and dS^T, with dropout. dS^T also goes to its
  /// tile, from column `column` on.
  template <int G>
  __device__ __forceinline__ void scores_to_gradients(float (&p)[2][kChunk / 8][4], float (&ds)[2][kChunk / 8][4],
                                                      int query, int column) {
    const float scale = plan.scale * kLog2E;
    const int g = lane_id() / 4, t = lane_id() % 4;
#pragma unroll
    for (int r = 0; r < G; ++r) mask_queries(p[r], plan, s, query, 16 * groups[r]);
#pragma unroll
    for (int r = 0; r < G; ++r)
#pragma unroll
      for (int n = 0; n < kChunk / 8; n += 2) {
        float factors[2][4] = {{1, 1, 1, 1}, {1, 1, 1, 1}};
        if constexpr (kDropout)
          dropout_of_keys(factors, plan, s, load_shared(&statistics.keys[query + 8 * n + drawn_query()]),
                          16 * groups[r]);
#pragma unroll
        for (int m = 0; m < 2; ++m) {
          const int at = 8 * (n + m) + 2 * t;
          const auto lse = load_shared(reinterpret_cast<const Vec<float, 2>*>(&statistics.lse[query + at]));
          const auto delta = load_shared(reinterpret_cast<const Vec<float, 2>*>(&statistics.delta[query + at]));
          float(&of_p)[4] = p[r][n + m], (&of_ds)[4] = ds[r][n + m];
#pragma unroll
          for (int e = 0; e < 4; ++e) {
            const float x = probability(of_p[e], scale, lse.v[e % 2]);
            of_ds[e] = x * (factors[m][e] * of_ds[e] - delta.v[e % 2]);
            of_p[e] = x * factors[m][e];
          }
          BFloat16* to = tiles.ds + (16 * groups[r] + g) * Traits::kScoreStride + column + at;
#pragma unroll
          for (int half = 0; half < 2; ++half)
            store_shared(reinterpret_cast<std::uint32_t*>(to + 8 * half * Traits::kScoreStride),
                         pack_bf16(of_ds[2 * half], of_ds[2 * half + 1]));
        }
      }
  }

  /// dK and dV of the warp's first G groups: adds what the queries of a tile from `column` on give.
  template <int G>
  __device__ __forceinline__ void add_queries(int tile, int stage, int column) {
    const BFloat16* q = tiles.q + stage * Traits::kTile + column * kStride;
    const BFloat16* dout = tiles.dout + stage * Traits::kTile + column * kStride;
    const BFloat16* const k[2] = {tiles.k + 16 * groups[0] * kStride, tiles.k + 16 * groups[1] * kStride};
    const BFloat16* const v[2] = {tiles.v + 16 * groups[0] * kStride, tiles.v + 16 * groups[1] * kStride};
    float p[2][kChunk / 8][4] = {}, ds[2][kChunk / 8][4] = {};
    multiply_transposed<D, 0, G>(p, k, q, kStride);
    multiply_transposed<D, 0, G>(ds, v, dout, kStride);
    scores_to_gradients<G>(p, ds, tile + column, column);
    multiply_accumulators<BFloat16, 0, G>(dv, p, dout, kStride);
    multiply_accumulators<BFloat16, 0, G>(dk, ds, q, kStride);
  }

  /// dQ of 16 queries of a tile and a part of the columns. Its rows go through the tile of Q, which is free by then.
  __device__ __forceinline__ void write_dq(int tile, int stage) {
    constexpr int kParts = W / 4 > 0 ? W / 4 : 1, kColumns = D / kParts;
#pragma unroll 1
    for (int first = 16 * (groups[0] % 4); first < kQueries; first += 16 * (W < 4 ? W : 4)) {
      const int rows = s.length - tile - first, column = groups[0] / 4 * kColumns;
      if (rows <= 0) return;
      const PositionRange keys = s.keys_of(plan, {tile + first, tile + first + (rows < 16 ? rows : 16)});
      float dq[kColumns / 8][4] = {};
#pragma unroll 4
      for (int j = keys.begin / 16 * 16; j < keys.end; j += 16) {
        const F::A a = F::load_a_transposed(tiles.ds + first, Traits::kScoreStride, j);
#pragma unroll
        for (int n = 0; n < kColumns / 8; n += 2) {
          F::B b[2];
          F::load_b_by_row(b, tiles.k, kStride, j, column + 8 * n);
          F::multiply(dq[n], dq[n + 1], a, b);
        }
      }
#pragma unroll
      for (int n = 0; n < kColumns / 8; ++n)
#pragma unroll
        for (int e = 0; e < 4; ++e) dq[n][e] *= plan.scale;
      store_accumulators<kColumns, true, kStride>(
          args.dq + s.row(tile + first, plan.row_stride, plan.head_size) + column, plan.row_stride, rows,
          plan.head_size - column, tiles.q + stage * Traits::kTile + first * kStride + column, dq);
    }
  }

  /// dK and dV, through the warp's own rows of K and V.
  __device__ __forceinline__ void write_dk_dv() {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int key = 16 * groups[r], rows = s.length - key;
#pragma unroll
      for (int n = 0; n < D / 8; ++n)
#pragma unroll
        for (int e = 0; e < 4; ++e) dk[r][n][e] *= plan.scale;
      const std::int64_t at = s.row(key, plan.row_stride, plan.head_size);
      store_accumulators<D, true, kStride>(args.dk + at, plan.row_stride, rows, plan.head_size, tiles.k + key * kStride,
                                           dk[r]);
      store_accumulators<D, true, kStride>(args.dv + at, plan.row_stride, rows, plan.head_size, tiles.v + key * kStride,
                                           dv[r]);
    }
  }

  __device__ __forceinline__ void run() {
    load_statistics();
    int keys = load_queries(0, 0, 0);
    cp_async_wait<0>();
    __syncthreads();  // the first tile is there
    compute_delta(0, 0);
    for (int tile = 0, stage = 0; tile < s.length; tile += kQueries, stage = Traits::kStages - 1 - stage) {
      __syncthreads();  // delta is there; no thread reads the last dS and O, nor the Q and dO before
      const bool more = tile + kQueries < s.length;
      if (more) keys = load_queries(tile + kQueries, Traits::kStages - 1 - stage, keys);
#pragma unroll 1
      for (int column = 0; column < kQueries; column += kChunk) {
        const PositionRange queries{tile + column, tile + column + kChunk};
        if (meets(groups[1], queries))
          add_queries<2>(tile, stage, column);
        else if (meets(groups[0], queries))
          add_queries<1>(tile, stage, column);
      }
      cp_async_wait<0>();
      __syncthreads();  // dS is there, and the next tile
      write_dq(tile, stage);
      if (more) compute_delta(tile + kQueries, Traits::kStages - 1 - stage);
    }
    __syncthreads();  // no thread reads K
    write_dk_dv();
  }
};

template <int D, int W, bool kDropout>
__global__ void __launch_bounds__(ShortBackwardTraits<D, W>::kThreads)
    attention_backward_kernel(Backward<BFloat16> args) {
  const Sequence s(args.plan, static_cast<int>(blockIdx.y), static_cast<int>(blockIdx.x));
  if (s.length == 0) return;
  ShortBackward<D, W, kDropout>(args, s).run();
}

template <int D, int W, bool kDropout>
bool launch_short(const CudaContext& context, const Backward<BFloat16>& args, const AttentionLayout& layout) {
  using Traits = ShortBackwardTraits<D, W>;
  if (Traits::kBytes + sizeof(RowStatistics<Traits::kKeys>) > cuda::device_info().shared_bytes) return false;
  cuda::launch("attention_backward", attention_backward_kernel<D, W, kDropout>,
               cuda::attention_grid(layout, Traits::kKeys), {Traits::kThreads}, Traits::kBytes, context.stream(), args);
  return true;
}

}  // namespace

bool attention_backward_in_one(const CudaContext& context, const Backward<BFloat16>& args,
                               const AttentionLayout& layout) {
  if (layout.max_length > 256 || layout.head_size > 64) return false;
  bool launched = false;
  cuda::dispatch_head<BFloat16>("attention backward", layout, args.plan.row_stride, true,
                                [&](auto size, auto vectors, auto dropout) {
                                  constexpr int D = decltype(size)::value;
                                  constexpr bool kDropout = decltype(dropout)::value;
                                  if constexpr (D <= 64 && decltype(vectors)::value) {
                                    if (layout.max_length <= 64)
                                      launched = launch_short<D, 2, kDropout>(context, args, layout);
                                    else if (layout.max_length <= 128)
                                      launched = launch_short<D, 4, kDropout>(context, args, layout);
                                    else
                                      launched = launch_short<D, 8, kDropout>(context, args, layout);
                                  }
                                });
  return launched;
}

}  // namespace attune::kernels
