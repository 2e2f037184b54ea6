// The common code of the attention kernels: their layout, the keys that a query may see, dropout for the two
// orientations of a tile of probabilities, and the launcher's choices.
#pragma once

#include <algorithm>
#include <limits>

#include "kernels/attention.h"
#include "kernels/cuda/device/dropout.cuh"
#include "kernels/cuda/device/reduce.cuh"
#include "kernels/cuda/device/tile.cuh"
#include "kernels/cuda/dispatch.h"

namespace attune::device {

inline constexpr float kLog2E = 1.4426950408889634f;

/// Tile sizes. A warp owns 16 rows of a block's own tile (queries, or keys in the dK dV kernel). The block walks over
/// tiles of the others, of fewer rows for float32 and D = 128, to save registers and shared memory.
template <class T, int D>
struct AttentionTraits {
  static constexpr int kWarps = 4;
  static constexpr int kThreads = kWarps * kWarp;
  static constexpr int kOwn = 16 * kWarps;
  static constexpr int kWalked = (sizeof(T) == 4 ? 32 : 64) / (D == 128 ? 2 : 1);
  static constexpr int kStride = D + kRowPad<T>;
  /// Dynamic shared memory of a block.
  static constexpr std::size_t kForwardBytes = std::size_t{(kOwn + 2 * kWalked) * kStride} * sizeof(T);
  static constexpr std::size_t kBackwardBytes = std::size_t{2 * (kOwn + kWalked) * kStride} * sizeof(T);
};

/// AttentionLayout for kernels.
struct AttentionPlan {
  const std::int32_t* offsets;
  const std::int32_t* key_lengths;  // or null
  std::int64_t rows, row_stride;
  int heads, head_size;
  int window;  // negative: none
  bool causal;
  float scale;
  DropoutPlan dropout;
};

inline AttentionPlan plan_of(const kernels::AttentionLayout& layout, std::int64_t row_stride) {
  CHECK(layout.scale > 0, "attention: scale is ", layout.scale, ", not positive");
  return {.offsets = layout.offsets,
          .key_lengths = layout.key_lengths,
          .rows = layout.rows,
          .row_stride = row_stride,
          .heads = narrow<int>(layout.heads),
          .head_size = narrow<int>(layout.head_size),
          .window = layout.window < 0 ? -1 : narrow<int>(std::min<std::int64_t>(layout.window, 1 << 30)),
          .causal = layout.causal,
          .scale = static_cast<float>(layout.scale),
          .dropout = plan_of(layout.dropout)};
}

/// A run of positions in a sequence.
struct Range {
  int begin, end;
};

/// The sequence and head of a block.
struct Sequence {
  std::int64_t first_row;
  int head, length, key_length;
  std::uint32_t step;  // of the dropout

  __device__ Sequence(const AttentionPlan& plan, int b, int h) : head(h) {
    const int begin = load_global(plan.offsets + b);
    first_row = begin;
    length = load_global(plan.offsets + b + 1) - begin;
    key_length = plan.key_lengths == nullptr ? length : load_global(plan.key_lengths + b);
    step = step_of(plan.dropout);
  }

  /// Row i of a [N, H, D] tensor with `stride` elements between rows.
  __device__ std::int64_t row(int i, std::int64_t stride, int head_size) const {
    return (first_row + i) * stride + head * head_size;
  }
  /// The index of query i's statistics in [H, N].
  __device__ std::int64_t statistic(const AttentionPlan& plan, int i) const { return head * plan.rows + first_row + i; }

  /// Whether all of the queries may see all of the keys.
  __device__ bool all_allowed(const AttentionPlan& plan, Range queries, Range keys) const {
    return queries.end <= length && keys.end <= key_length && (!plan.causal || keys.end - 1 <= queries.begin) &&
           (plan.window < 0 ||
            (keys.end - 1 <= queries.begin + plan.window && queries.end - 1 <= keys.begin + plan.window));
  }
  /// Keys that any of the queries may see.
  __device__ Range keys_of(const AttentionPlan& plan, Range queries) const {
    Range keys{0, key_length};
    if (plan.causal && queries.end < keys.end) keys.end = queries.end;
    if (plan.window >= 0) {
      if (queries.begin - plan.window > 0) keys.begin = queries.begin - plan.window;
      if (queries.end + plan.window < keys.end) keys.end = queries.end + plan.window;
    }
    return keys;
  }
  /// Queries that may see any of the keys.
  __device__ Range queries_of(const AttentionPlan& plan, Range keys) const {
    if (keys.begin >= key_length) return {0, 0};
    Range queries{0, length};
    if (plan.causal) queries.begin = keys.begin;
    if (plan.window >= 0) {
      if (keys.begin - plan.window > queries.begin) queries.begin = keys.begin - plan.window;
      if (keys.end + plan.window < queries.end) queries.end = keys.end + plan.window;
    }
    return queries;
  }
  /// Keys that query i may see, and queries that may see key j.
  __device__ Range keys_of_query(const AttentionPlan& plan, int i) const {
    return i < length ? keys_of(plan, {i, i + 1}) : Range{0, 0};
  }
  __device__ Range queries_of_key(const AttentionPlan& plan, int j) const { return queries_of(plan, {j, j + 1}); }
};

/// Makes scores -inf outside of the columns that each of the lane's two rows has to do with. The accumulators begin at
/// column `first`.
template <int N>
__device__ __forceinline__ void mask_columns(float (&s)[N][4], const Range (&columns)[2], int first) {
  const int lane_first = first + 2 * (lane_id() % 4);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int begin = columns[half].begin - lane_first, end = columns[half].end - lane_first;
#pragma unroll
    for (int n = 0; n < N; ++n)
#pragma unroll
      for (int e = 0; e < 2; ++e)
        if (8 * n + e < begin || 8 * n + e >= end) s[n][2 * half + e] = -INFINITY;
  }
}

/// Makes the scores of keys that a query may not see -inf, in accumulators whose rows are 16 queries and whose columns
/// are keys from `key` on.
template <int N>
__device__ __forceinline__ void mask_keys(float (&s)[N][4], const AttentionPlan& plan, const Sequence& sequence,
                                          int query, int key) {
  if (sequence.all_allowed(plan, {query, query + 16}, {key, key + 8 * N})) return;
  const int i = query + lane_id() / 4;
  mask_columns(s, {sequence.keys_of_query(plan, i), sequence.keys_of_query(plan, i + 8)}, key);
}

/// The same where the rows are 16 keys and the columns are queries.
template <int N>
__device__ __forceinline__ void mask_queries(float (&s)[N][4], const AttentionPlan& plan, const Sequence& sequence,
                                             int query, int key) {
  if (sequence.all_allowed(plan, {query, query + 8 * N}, {key, key + 16})) return;
  const int j = key + lane_id() / 4;
  mask_columns(s, {sequence.queries_of_key(plan, j), sequence.queries_of_key(plan, j + 8)}, query);
}

__device__ __forceinline__ PhiloxBits attention_bits(const AttentionPlan& plan, const Sequence& s, std::uint32_t key,
                                                     int block) {
  return philox4x32(plan.dropout.seed, {s.step, plan.dropout.site + static_cast<std::uint32_t>(s.head), key,
                                        static_cast<std::uint32_t>(block)});
}

__device__ __forceinline__ std::uint32_t query_key(const AttentionPlan& plan, const Sequence& s, int i) {
  return i < s.length ? load_global(plan.dropout.row_keys + s.first_row + i) : 0;
}

/// Factors of accumulators whose rows are queries and whose columns are keys first_key + 8n + .... `keys` are the row
/// keys of the lane's two queries. A Philox call makes four neighbouring keys of one query; the lanes t and t + 1 that
/// share it for two queries make one each and exchange halves.
__device__ __forceinline__ void dropout_of_queries(float (&factors)[4], const AttentionPlan& plan, const Sequence& s,
                                                   const std::uint32_t (&keys)[2], int first_key, int n) {
  const int t = lane_id() % 4, odd = t % 2;
  const PhiloxBits own = attention_bits(plan, s, odd ? keys[1] : keys[0], (first_key + 8 * n) / 4 + t / 2);
  const std::uint32_t got0 = __shfl_xor_sync(kAllLanes, odd ? own[0] : own[2], 1);
  const std::uint32_t got1 = __shfl_xor_sync(kAllLanes, odd ? own[1] : own[3], 1);
  const std::uint32_t bits[4] = {odd ? got0 : own[0], odd ? got1 : own[1], odd ? own[2] : got0, odd ? own[3] : got1};
  for (int i = 0; i < 4; ++i) factors[i] = bits[i] < plan.dropout.threshold ? 0.0f : plan.dropout.scale;
}

/// The same for accumulators whose rows are keys first_key + g, + 8 and whose columns are queries; `keys` are the row
/// keys of the lane's queries 2t and 2t + 1. The four lanes of neighbouring keys need one word each of the same four
/// calls: each makes one call and they exchange words.
__device__ __forceinline__ void dropout_of_keys(float (&factors)[4], const AttentionPlan& plan, const Sequence& s,
                                                const std::uint32_t (&keys)[2], int first_key) {
  const int g = lane_id() / 4, me = g % 4;
  // Call r is of query r % 2 and of the key block of rows g (r < 2) or g + 8.
  const PhiloxBits own = attention_bits(plan, s, me % 2 ? keys[1] : keys[0], (first_key + g) / 4 + (me < 2 ? 0 : 2));
  const auto word = [&](int i) { return i == 0 ? own[0] : i == 1 ? own[1] : i == 2 ? own[2] : own[3]; };
  std::uint32_t by_distance[4];  // word `me` of the call of lane me ^ distance
  by_distance[0] = word(me);
#pragma unroll
  for (int distance = 1; distance < 4; ++distance)
    by_distance[distance] = __shfl_xor_sync(kAllLanes, word(me ^ distance), 4 * distance);
  for (int i = 0; i < 4; ++i) {
    const int d = i ^ me;
    const std::uint32_t bits = d == 0   ? by_distance[0]
                               : d == 1 ? by_distance[1]
                               : d == 2 ? by_distance[2]
                                        : by_distance[3];
    factors[i] = bits < plan.dropout.threshold ? 0.0f : plan.dropout.scale;
  }
}

}  // namespace attune::device

namespace attune::cuda {

/// A block for every `rows` rows of every sequence and head. Blocks start in the order of z: attention with a causal
/// mask can begin with the tiles that have the most to do.
inline Dim3 attention_grid(const kernels::AttentionLayout& layout, int rows) {
  return {narrow<unsigned>(layout.heads), narrow<unsigned>(layout.sequences), blocks_for(layout.max_length, rows)};
}

/// Calls f(D, vectors, dropout) with constants: the padded head size, whether rows can be moved in 16-byte vectors, and
/// whether the kernel is to have code for dropout. Without vectors it always has.
template <class T, class F>
void dispatch_head(const char* op, const kernels::AttentionLayout& layout, std::int64_t row_stride,
                   bool pointers_aligned, F&& f) {
  const std::int64_t head_size = layout.head_size;
  const bool vectors = pointers_aligned && head_size % kVectorWidth<T> == 0 && row_stride % kVectorWidth<T> == 0;
  const auto with = [&](auto size) {
    if (!vectors)
      f(size, std::false_type{}, std::true_type{});
    else if (layout.dropout.active())
      f(size, std::true_type{}, std::true_type{});
    else
      f(size, std::true_type{}, std::false_type{});
  };
  if (head_size <= 32)
    with(std::integral_constant<int, 32>{});
  else if (head_size <= 64)
    with(std::integral_constant<int, 64>{});
  else if (head_size <= 128)
    with(std::integral_constant<int, 128>{});
  else
    throw Error(str_cat(op, ": head size ", head_size, " is more than the 128 CUDA kernels support"));
}

}  // namespace attune::cuda
