// Work is cut by sequence, head and block of queries. The scores of a block, against all keys that any of its queries
// may see, are in a buffer that stays in the L2 cache: a matrix product computes them, softmax runs over them row by
// row, and a second product uses them. Backward computes them again from lse. One thread walks over the query blocks of
// one sequence and head in order, because all of them add to the same dK and dV.
#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/math.h"
#include "base/parallel.h"
#include "kernels/cpu/dropout_mask.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/math.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/simd.h"

namespace attune::kernels {
namespace {

constexpr std::int64_t kScoreElements = 131072;  // of one block
constexpr std::int64_t kMaxQueries = 128, kMinQueries = 16;

struct Range {
  std::int64_t begin, end;
  std::int64_t size() const { return end - begin; }
};

// One sequence seen by one head.
struct Sequence {
  const AttentionLayout& layout;
  std::int64_t head, first_row, length, key_length;

  Sequence(const AttentionLayout& l, std::int64_t b, std::int64_t h)
      : layout(l),
        head(h),
        first_row(l.offsets[b]),
        length(l.offsets[b + 1] - first_row),
        key_length(l.key_lengths == nullptr ? length : l.key_lengths[b]) {}

  // Keys that query i may see; empty ranges have end = begin.
  Range keys(std::int64_t i) const {
    const bool local = layout.window >= 0;
    const std::int64_t begin = local ? std::max<std::int64_t>(0, i - layout.window) : 0;
    std::int64_t end = key_length;
    if (layout.causal) end = std::min(end, i + 1);
    if (local) end = std::min(end, i + layout.window + 1);
    return {begin, std::max(begin, end)};
  }
  // Keys that any of some adjacent queries may see; both ends of keys() grow with i.
  Range keys_of(Range queries) const {
    const std::int64_t begin = keys(queries.begin).begin;
    return {begin, std::max(begin, keys(queries.end - 1).end)};
  }
};

// As many queries as keep the scores in the cache; fewer for a narrow window, because most of a tall block is masked.
std::int64_t queries_per_block(const AttentionLayout& layout) {
  std::int64_t queries = kScoreElements / std::max<std::int64_t>(layout.max_length, 1);
  if (layout.window >= 0) queries = std::min(queries, layout.window);
  return std::clamp(queries / kMinQueries * kMinQueries, kMinQueries, kMaxQueries);
}

// A [rows, D] slice of one head, `stride` elements between rows.
template <class T>
struct HeadRows {
  T* data;
  std::int64_t stride;
  T* row(std::int64_t i) const { return data + i * stride; }
};
template <class T>
HeadRows<const T> rows_of(const void* base, const Sequence& s, std::int64_t stride) {
  return {static_cast<const T*>(base) + s.first_row * stride + s.head * s.layout.head_size, stride};
}
template <class T>
HeadRows<T> rows_of(void* base, const Sequence& s, std::int64_t stride) {
  return {static_cast<T*>(base) + s.first_row * stride + s.head * s.layout.head_size, stride};
}

// out[i, j] = alpha * a_i . b_j for queries i, keys j; out has `keys.size()` columns.
template <class T>
void products_of_rows(T* out, T alpha, HeadRows<const T> a, Range queries, HeadRows<const T> b, Range keys,
                      std::int64_t head_size) {
  gemm<T>({.c = out,
           .ldc = keys.size(),
           .a = a.row(queries.begin),
           .lda = a.stride,
           .b = b.row(keys.begin),
           .ldb = b.stride,
           .transpose_b = true,
           .m = queries.size(),
           .n = keys.size(),
           .k = head_size,
           .alpha = alpha});
}

// Turns a row of scores into dropped-out probabilities, zero outside [begin, end); returns lse. factors may be null.
template <class T>
ATTUNE_INLINE T softmax_row(T* row, const T* factors, std::int64_t begin, std::int64_t end, std::int64_t width) {
  std::fill(row, row + begin, T(0));
  std::fill(row + end, row + width, T(0));
  if (begin == end) return -std::numeric_limits<T>::infinity();
  T largest = row[begin];
#pragma omp simd reduction(max : largest)
  for (std::int64_t j = begin; j < end; ++j) largest = row[j] > largest ? row[j] : largest;
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t j = begin; j < end; ++j) {
    row[j] = math::exp(row[j] - largest);
    sum += row[j];
  }
  const T inverse = T(1) / sum;
  if (factors == nullptr)
    for (std::int64_t j = begin; j < end; ++j) row[j] *= inverse;
  else
    for (std::int64_t j = begin; j < end; ++j) row[j] *= inverse * factors[j];
  return largest + std::log(sum);
}

// From scores and dP (both before dropout') to dropped-out probabilities and scaled dS, in place; zero outside [begin, end).
template <class T>
ATTUNE_INLINE void softmax_row_backward(T* scores, T* grads, const T* factors, T lse, T delta, T scale,
                                        std::int64_t begin, std::int64_t end, std::int64_t width) {
  for (T* row : {scores, grads}) {
    std::fill(row, row + begin, T(0));
    std::fill(row + end, row + width, T(0));
  }
  if (factors == nullptr)
    for (std::int64_t j = begin; j < end; ++j) {
      const T p = math::exp(scores[j] - lse);
      grads[j] = scale * p * (grads[j] - delta);
      scores[j] = p;
    }
  else
    for (std::int64_t j = begin; j < end; ++j) {
      const T p = math::exp(scores[j] - lse);
      grads[j] = scale * p * (grads[j] * factors[j] - delta);
      scores[j] = p * factors[j];
    }
}

template <class T>
ATTUNE_INLINE T dot(const T* a, const T* b, std::int64_t n) {
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

// The factors of query i for the keys it sees, at the places they have in a row of all `keys`; null without dropout.
template <class T>
const T* factors_of(const Sequence& s, std::int64_t i, Range seen, Range keys, T* buffer) {
  const DropoutMask& mask = s.layout.dropout;
  if (!mask.active()) return nullptr;
  dropout_factors(buffer + (seen.begin - keys.begin), mask, static_cast<std::uint32_t>(s.head),
                  mask.row_keys[s.first_row + i], seen.begin, seen.size());
  return buffer;
}

template <class T>
void forward_block(const AttentionForward& args, const Sequence& s, Range queries) {
  const std::int64_t head_size = s.layout.head_size;
  const Range keys = s.keys_of(queries);
  const HeadRows<T> out = rows_of<T>(args.out, s, s.layout.heads * head_size);
  T* scores = scratch<T>(ScratchSlot::kScores, queries.size() * std::max<std::int64_t>(keys.size(), 1));
  T* factors = scratch<T>(ScratchSlot::kRow, std::max<std::int64_t>(keys.size(), 1));
  products_of_rows<T>(scores, static_cast<T>(s.layout.scale), rows_of<T>(args.q, s, args.row_stride), queries,
                      rows_of<T>(args.k, s, args.row_stride), keys, head_size);
  for (std::int64_t i = queries.begin; i < queries.end; ++i) {
    const Range seen = s.keys(i);
    const T lse =
        vectorized<softmax_row<T>>(scores + (i - queries.begin) * keys.size(), factors_of(s, i, seen, keys, factors),
                                   seen.begin - keys.begin, seen.end - keys.begin, keys.size());
    if (args.lse != nullptr) static_cast<T*>(args.lse)[s.head * s.layout.rows + s.first_row + i] = lse;
  }
  gemm<T>({.c = out.row(queries.begin),
           .ldc = out.stride,
           .a = scores,
           .lda = std::max<std::int64_t>(keys.size(), 1),
           .b = rows_of<T>(args.v, s, args.row_stride).row(keys.begin),
           .ldb = args.row_stride,
           .m = queries.size(),
           .n = head_size,
           .k = keys.size()});
}

template <class T>
void backward_block(const AttentionBackward& args, const Sequence& s, Range queries) {
  const std::int64_t head_size = s.layout.head_size, stride = args.row_stride, dense = s.layout.heads * head_size;
  const Range keys = s.keys_of(queries);
  const HeadRows<const T> q = rows_of<T>(args.q, s, stride), k = rows_of<T>(args.k, s, stride),
                          v = rows_of<T>(args.v, s, stride);
  const HeadRows<const T> out = rows_of<T>(args.out, s, dense), dout = rows_of<T>(args.dout, s, dense);
  const HeadRows<T> dq = rows_of<T>(args.dq, s, stride), dk = rows_of<T>(args.dk, s, stride),
                    dv = rows_of<T>(args.dv, s, stride);
  const std::int64_t width = std::max<std::int64_t>(keys.size(), 1);
  T* scores = scratch<T>(ScratchSlot::kScores, queries.size() * width);
  T* grads = scratch<T>(ScratchSlot::kScoreGrads, queries.size() * width);
  T* factors = scratch<T>(ScratchSlot::kRow, width);
  const T scale = static_cast<T>(s.layout.scale);
  products_of_rows<T>(scores, scale, q, queries, k, keys, head_size);
  products_of_rows<T>(grads, T(1), dout, queries, v, keys, head_size);
  for (std::int64_t i = queries.begin; i < queries.end; ++i) {
    const Range seen = s.keys(i);
    const std::int64_t at = (i - queries.begin) * keys.size();
    vectorized<softmax_row_backward<T>>(scores + at, grads + at, factors_of(s, i, seen, keys, factors),
                                        static_cast<const T*>(args.lse)[s.head * s.layout.rows + s.first_row + i],
                                        vectorized<dot<T>>(dout.row(i), out.row(i), head_size), scale,
                                        seen.begin - keys.begin, seen.end - keys.begin, keys.size());
  }
  gemm<T>({.c = dv.row(keys.begin),
           .ldc = stride,
           .a = scores,
           .lda = width,
           .transpose_a = true,
           .b = dout.row(queries.begin),
           .ldb = dense,
           .m = keys.size(),
           .n = head_size,
           .k = queries.size(),
           .accumulate = true});
  gemm<T>({.c = dk.row(keys.begin),
           .ldc = stride,
           .a = grads,
           .lda = width,
           .transpose_a = true,
           .b = q.row(queries.begin),
           .ldb = stride,
           .m = keys.size(),
           .n = head_size,
           .k = queries.size(),
           .accumulate = true});
  gemm<T>({.c = dq.row(queries.begin),
           .ldc = stride,
           .a = grads,
           .lda = width,
           .b = k.row(keys.begin),
           .ldb = stride,
           .m = queries.size(),
           .n = head_size,
           .k = keys.size()});
}

}  // namespace

void attention_forward(const CpuContext&, const AttentionForward& args) {
  dispatch_float(args.dtype, "attention", [&]<class T>() {
    const AttentionLayout& layout = args.layout;
    const std::int64_t height = queries_per_block(layout), blocks = ceil_div(layout.max_length, height);
    parallel_for(layout.sequences * layout.heads * blocks, 1, [&](std::int64_t task, std::int64_t) {
      const Sequence s(layout, task / blocks / layout.heads, task / blocks % layout.heads);
      const std::int64_t begin = task % blocks * height;
      if (begin < s.length) forward_block<T>(args, s, {begin, std::min(begin + height, s.length)});
    });
  });
}

void attention_backward(const CpuContext&, const AttentionBackward& args) {
  dispatch_float(args.dtype, "attention backward", [&]<class T>() {
    const AttentionLayout& layout = args.layout;
    const std::int64_t height = queries_per_block(layout);
    parallel_for(layout.sequences * layout.heads, 1, [&](std::int64_t task, std::int64_t) {
      const Sequence s(layout, task / layout.heads, task % layout.heads);
      for (std::int64_t i = 0; i < s.length; ++i) {
        std::fill_n(rows_of<T>(args.dk, s, args.row_stride).row(i), layout.head_size, T(0));
        std::fill_n(rows_of<T>(args.dv, s, args.row_stride).row(i), layout.head_size, T(0));
      }
      for (std::int64_t i = 0; i < s.length; i += height)
        backward_block<T>(args, s, {i, std::min(i + height, s.length)});
    });
  });
}

}  // namespace attune::kernels
