// The common code of the attention kernels: their layout, the keys that a query may see, dropout for the two
// orientations of a tile of probabilities, and the launcher's choices.
#pragma once

#include <algorithm>
#include <limits>

#include "kernels/attention.h"
#include "kernels/cuda/device/dropout.cuh"
#include "kernels/cuda/device/log2e.cuh"
#include "kernels/cuda/device/reduce.cuh"
#include "kernels/cuda/device/tile.cuh"
#include "kernels/cuda/dispatch.h"

namespace attune::device {

/// Tile sizes. A warp owns 16 rows of a block's own tile (queries, or keys in the dK dV kernel). The block walks over
/// tiles of the others, of fewer rows for float32 and D = 128, to save registers and shared memory.
template <class T, int D>
struct AttentionTraits {
  static constexpr int kWarps = 4;
  static constexpr int kThreads = kWarps * kWarp;
  static constexpr int kOwn = 16 * kWarps;
  static constexpr int kWalked = (sizeof(T) == 4 ? 32 : 64) / (D == 128 ? 2 : 1);
  static constexpr int kStride = D + kRowPad<T>;
  /// Blocks of the forward kernel whose registers must fit on a multiprocessor; 0: no limit.
  static constexpr int kForwardBlocks = sizeof(T) == 2 && D == 64 ? 4 : 0;
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
  int behind, ahead;  // query i may see keys i - behind .. i + ahead
  float scale;
  DropoutPlan dropout;
};

inline AttentionPlan plan_of(const kernels::AttentionLayout& layout, std::int64_t row_stride) {
  CHECK(layout.scale > 0, "attention: scale is ", layout.scale, ", not positive");
  constexpr std::int64_t kAll = 1 << 30;  // positions may be added to it
  const int reach = narrow<int>(layout.window < 0 ? kAll : std::min(layout.window, kAll));
  return {.offsets = layout.offsets,
          .key_lengths = layout.key_lengths,
          .rows = layout.rows,
          .row_stride = row_stride,
          .heads = narrow<int>(layout.heads),
          .head_size = narrow<int>(layout.head_size),
          .behind = reach,
          .ahead = layout.causal ? 0 : reach,
          .scale = static_cast<float>(layout.scale),
          .dropout = plan_of(layout.dropout)};
}

/// A run of positions in a sequence; none if end <= begin.
struct PositionRange {
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
  __device__ bool all_allowed(const AttentionPlan& plan, PositionRange queries, PositionRange keys) const {
    const int last_query = queries.end - 1, last_key = keys.end - 1;
    const int outside = (last_query >= length) | (last_key >= key_length) | (last_key > queries.begin + plan.ahead) |
                        (last_query > keys.begin + plan.behind);  // |, not ||: no branches
    return outside == 0;
  }
  /// Keys that any of the queries may see.
  __device__ PositionRange keys_of(const AttentionPlan& plan, PositionRange queries) const {
    const int begin = queries.begin - plan.behind, end = queries.end + plan.ahead;
    return {begin > 0 ? begin : 0, end < key_length ? end : key_length};
  }
  /// Queries that may see any of the keys.
  __device__ PositionRange queries_of(const AttentionPlan& plan, PositionRange keys) const {
    const int begin = keys.begin - plan.ahead, end = keys.end + plan.behind;
    return {begin > 0 ? begin : 0, keys.begin >= key_length ? 0 : end < length ? end : length};
  }
  /// Keys that query i may see, and queries that may see key j.
  __device__ PositionRange keys_of_query(const AttentionPlan& plan, int i) const {
    const PositionRange keys = keys_of(plan, {i, i + 1});
    return {keys.begin, i < length ? keys.end : 0};
  }
  __device__ PositionRange queries_of_key(const AttentionPlan& plan, int j) const {
    return queries_of(plan, {j, j + 1});
  }
};

/// Makes scores -inf outside of the columns that each of the lane's two rows has to do with. The accumulators begin at
/// column `first`.
template <int N>
__device__ __forceinline__ void mask_columns(float (&s)[N][4], const PositionRange (&columns)[2], int first) {
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

/// Whether a kernel drops anything: only those without vectors have code for dropout also where there is none
/// (dispatch_head).
template <bool kVector, bool kDropout>
__device__ __forceinline__ bool drops(const AttentionPlan& plan) {
  return kDropout && (kVector || plan.dropout.row_keys != nullptr);
}

__device__ __forceinline__ PhiloxBits attention_bits(const AttentionPlan& plan, const Sequence& s, std::uint32_t key,
                                                     int block) {
  return philox4x32(plan.dropout.seed, {s.step, plan.dropout.site + static_cast<std::uint32_t>(s.head), key,
                                        static_cast<std::uint32_t>(block)});
}

__device__ __forceinline__ std::uint32_t query_key(const AttentionPlan& plan, const Sequence& s, int i) {
  return i < s.length ? load_global(plan.dropout.row_keys + s.first_row + i) : 0;
}

/// Factors of two neighbouring accumulators whose rows are queries and whose columns are keys key .. key + 15. `keys`
/// are the row keys of the lane's two queries. A Philox call makes eight neighbouring keys of one query, a word of it
/// two: the four lanes of two queries make one each of the four calls, and exchange words.
__device__ __forceinline__ void dropout_of_queries(float (&factors)[2][4], const AttentionPlan& plan, const Sequence& s,
                                                   const std::uint32_t (&keys)[2], int key) {
  const int t = lane_id() % 4;
  const bool odd = t % 2 != 0, upper = t / 2 != 0;
  const PhiloxBits own = attention_bits(plan, s, odd ? keys[1] : keys[0], key / 8 + t / 2);
  // Words t % 2 and t % 2 + 2 of the calls of two lanes, then word t of all four.
  const std::uint32_t got0 = __shfl_xor_sync(kAllLanes, odd ? own[0] : own[1], 1);
  const std::uint32_t got1 = __shfl_xor_sync(kAllLanes, odd ? own[2] : own[3], 1);
  const std::uint32_t low[2] = {odd ? got0 : own[0], odd ? own[1] : got0};
  const std::uint32_t high[2] = {odd ? got1 : own[2], odd ? own[3] : got1};
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const std::uint32_t got = __shfl_xor_sync(kAllLanes, upper ? low[half] : high[half], 2);
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      factors[0][2 * half + e] = dropout_factor(plan.dropout, upper ? got : low[half], e);
      factors[1][2 * half + e] = dropout_factor(plan.dropout, upper ? high[half] : got, e);
    }
  }
}

/// The query, from the first column of two neighbouring accumulators on, whose row key a lane gives dropout_of_keys.
__device__ __forceinline__ int drawn_query() {
  const int g = lane_id() / 4;
  return g / 4 * 8 + 2 * (lane_id() % 4) + g % 2;
}

/// The same for two accumulators whose rows are keys key .. key + 15 and whose columns are queries. The eight lanes of
/// neighbouring keys need half a word each of the same eight calls (two queries in each accumulator, two blocks of
/// keys): each makes one, and in three steps they exchange two words of four, one of two, and a half of each.
__device__ __forceinline__ void dropout_of_keys(float (&factors)[2][4], const AttentionPlan& plan, const Sequence& s,
                                                std::uint32_t row_key, int key) {
  const int g = lane_id() / 4;
  const bool fourth = g / 4 != 0, second = g / 2 % 2 != 0, odd = g % 2 != 0;
  const PhiloxBits own = attention_bits(plan, s, row_key, key / 8 + g / 2 % 2);
  std::uint32_t pair[2][2], word[2][2];  // [accumulator of the call][word], [accumulator][block of keys]
#pragma unroll
  for (std::size_t w = 0; w < 2; ++w) {
    const std::uint32_t got = __shfl_xor_sync(kAllLanes, fourth ? own[w] : own[w + 2], 16);
    pair[0][w] = fourth ? got : own[w];
    pair[1][w] = fourth ? own[w + 2] : got;
  }
#pragma unroll
  for (int m = 0; m < 2; ++m) {
    const std::uint32_t got = __shfl_xor_sync(kAllLanes, second ? pair[m][0] : pair[m][1], 8);
    word[m][0] = second ? got : pair[m][0];
    word[m][1] = second ? pair[m][1] : got;
  }
  const unsigned lower = 0x5410, upper = 0x7632;  // halves of two words in one
#pragma unroll
  for (int m = 0; m < 2; ++m) {
    const std::uint32_t kept = __byte_perm(word[m][0], word[m][1], odd ? upper : lower);
    const std::uint32_t got = __shfl_xor_sync(kAllLanes, __byte_perm(word[m][0], word[m][1], odd ? lower : upper), 4);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      factors[m][2 * half] = dropout_factor(plan.dropout, odd ? got : kept, half);
      factors[m][2 * half + 1] = dropout_factor(plan.dropout, odd ? kept : got, half);
    }
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
