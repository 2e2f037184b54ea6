// Matrix products of one warp on tensor cores, operands in shared memory or in the registers of an earlier product.
//
// A warp owns 16 rows of the result in 8-column accumulators: acc[n] holds, with g = lane / 4 and t = lane % 4, the
// elements (g, 2t) (g, 2t+1) (g+8, 2t) (g+8, 2t+1) of columns 8n .. 8n+7. bfloat16 goes through m16n8k16. float32 is
// split into the nearest tf32 and the rest, itself rounded to tf32, and three m16n8k8 products leave out only rest *
// rest: each product is off by at most 2^-21 of itself and 2^-23 typically, as in plain float32, where one tf32 product
// would be off by 2^-10. Tensor cores truncate their sums. So that a long sum does not drift, they add only eight
// terms, from zero, and the sums of eight are added in plain float32 (Ootomo, Yokota: arXiv 2203.03341).
//
// Tiles are row-major with kRowPad elements after each row: rows then begin 4 banks apart, and neither ldmatrix (8 rows
// of 16 bytes) nor the word loads of float32 (8 rows by 4 columns, or 4 row pairs by 8 columns) have bank conflicts.
// Two less frequent accesses have them: copies of 64-byte rows (bfloat16, 32 columns), where two rows share a
// wavefront, and the stores of pairs of float32 results.
#pragma once

#include <cstdint>

#include "kernels/cuda/device/vec.cuh"

namespace attune::device {

template <class T>
inline constexpr int kRowPad = 16 / static_cast<int>(sizeof(T));

__device__ __forceinline__ int lane_id() {
  return static_cast<int>(threadIdx.x % 32);
}

/// Operands of one tensor-core instruction for elements of T.
template <class T>
struct Fragments;

template <>
struct Fragments<BFloat16> {
  static constexpr int kDepth = 16;  // of one product
  struct A {
    std::uint32_t r[4];
  };
  struct B {
    std::uint32_t r[2];
  };

  /// Rows 0..15, columns k .. k+15 of a tile.
  static __device__ __forceinline__ A load_a(const BFloat16* tile, int stride, int k) {
    A a;
    ldmatrix_x4(a.r, tile + (lane_id() % 16) * stride + k + lane_id() / 16 * 8);
    return a;
  }
  /// The same of a tile's transpose: rows 0..15 of A are columns of the tile, columns k .. k+15 its rows.
  static __device__ __forceinline__ A load_a_transposed(const BFloat16* tile, int stride, int k) {
    A a;
    ldmatrix_x4_trans(a.r, tile + (k + lane_id() % 8 + lane_id() / 16 * 8) * stride + lane_id() / 8 % 2 * 8);
    return a;
  }
  /// Columns n .. n+15 of B, whose columns are the tile's rows.
  static __device__ __forceinline__ void load_b_by_column(B (&b)[2], const BFloat16* tile, int stride, int k, int n) {
    std::uint32_t r[4];
    ldmatrix_x4(r, tile + (n + lane_id() % 8 + lane_id() / 16 * 8) * stride + k + lane_id() / 8 % 2 * 8);
    b[0] = {{r[0], r[1]}};
    b[1] = {{r[2], r[3]}};
  }
  /// Columns n .. n+15 of B, whose rows are the tile's rows.
  static __device__ __forceinline__ void load_b_by_row(B (&b)[2], const BFloat16* tile, int stride, int k, int n) {
    std::uint32_t r[4];
    ldmatrix_x4_trans(r, tile + (k + lane_id() % 16) * stride + n + lane_id() / 16 * 8);
    b[0] = {{r[0], r[1]}};
    b[1] = {{r[2], r[3]}};
  }
  /// The accumulators of columns 16 step .. 16 step + 15 as an operand.
  template <int N>
  static __device__ __forceinline__ A from_accumulators(const float (&acc)[N][4], int step) {
    const auto& low = acc[2 * step];
    const auto& high = acc[2 * step + 1];
    return {{pack_bf16(low[0], low[1]), pack_bf16(low[2], low[3]), pack_bf16(high[0], high[1]),
             pack_bf16(high[2], high[3])}};
  }
  /// d0 += a b[0], d1 += a b[1].
  static __device__ __forceinline__ void multiply(float (&d0)[4], float (&d1)[4], const A& a, const B (&b)[2]) {
    mma_bf16_pair(d0, d1, a.r, b[0].r, b[1].r);
  }
};

template <>
struct Fragments<float> {
  static constexpr int kDepth = 8;
  struct A {
    float r[4];
  };
  struct B {
    float r[2];
  };

  static __device__ __forceinline__ A load_a(const float* tile, int stride, int k) {
    const float* p = tile + lane_id() / 4 * stride + k + lane_id() % 4;
    return {{load_shared(p), load_shared(p + 8 * stride), load_shared(p + 4), load_shared(p + 8 * stride + 4)}};
  }
  static __device__ __forceinline__ void load_b_by_column(B (&b)[2], const float* tile, int stride, int k, int n) {
    const float* p = tile + (n + lane_id() / 4) * stride + k + lane_id() % 4;
    b[0] = {{load_shared(p), load_shared(p + 4)}};
    b[1] = {{load_shared(p + 8 * stride), load_shared(p + 8 * stride + 4)}};
  }
  // Rows 2t and 2t+1 stand where the instruction expects t and t+4, as in from_accumulators: the sum is the same.
  static __device__ __forceinline__ void load_b_by_row(B (&b)[2], const float* tile, int stride, int k, int n) {
    const float* p = tile + (k + 2 * (lane_id() % 4)) * stride + n + lane_id() / 4;
    b[0] = {{load_shared(p), load_shared(p + stride)}};
    b[1] = {{load_shared(p + 8), load_shared(p + stride + 8)}};
  }
  template <int N>
  static __device__ __forceinline__ A from_accumulators(const float (&acc)[N][4], int step) {
    return {{acc[step][0], acc[step][2], acc[step][1], acc[step][3]}};
  }
  static __device__ __forceinline__ void multiply(float (&d0)[4], float (&d1)[4], const A& a, const B (&b)[2]) {
    multiply(d0, a, b[0]);
    multiply(d1, a, b[1]);
  }

 private:
  static __device__ __forceinline__ void multiply(float (&d)[4], const A& a, const B& b) {
    std::uint32_t a_high[4], a_rest[4], b_high[2], b_rest[2];
    for (int i = 0; i < 4; ++i) split(a.r[i], a_high[i], a_rest[i]);
    for (int i = 0; i < 2; ++i) split(b.r[i], b_high[i], b_rest[i]);
    float sum[4] = {};
    mma_tf32_split(sum, a_high, a_rest, b_high, b_rest);
    for (int i = 0; i < 4; ++i) d[i] += sum[i];
  }
  static __device__ __forceinline__ void split(float x, std::uint32_t& high, std::uint32_t& rest) {
    high = float_to_tf32(x);
    rest = float_to_tf32(x - bits_float(high));
  }
};

/// acc[r][16, 8 N] += A[r][16, K] B[K, 8 N] for the G groups of 16 rows from First on, A[r] and B^T being rows of tiles.
template <int K, int First, int G, int R, int N, class T>
__device__ __forceinline__ void multiply_transposed(float (&acc)[R][N][4], const T* const (&a)[R], const T* b,
                                                    int stride) {
  using F = Fragments<T>;
// Float32 takes three instructions for one and registers for their operands: unrolled further, it spills.
#pragma unroll(sizeof(T) == 4 ? 2 : K / F::kDepth)
  for (int k = 0; k < K; k += F::kDepth) {
    typename F::A fa[G];
#pragma unroll
    for (int r = 0; r < G; ++r) fa[r] = F::load_a(a[First + r], stride, k);
#pragma unroll
    for (int n = 0; n < N; n += 2) {
      typename F::B fb[2];
      F::load_b_by_column(fb, b, stride, k, 8 * n);
#pragma unroll
      for (int r = 0; r < G; ++r) F::multiply(acc[First + r][n], acc[First + r][n + 1], fa[r], fb);
    }
  }
}

/// The same for one group.
template <int K, int N, class T>
__device__ __forceinline__ void multiply_transposed(float (&acc)[N][4], const T* a, const T* b, int stride) {
  const T* const rows[1] = {a};
  multiply_transposed<K, 0, 1>(reinterpret_cast<float(&)[1][N][4]>(acc), rows, b, stride);
}

/// acc[r][16, 8 N] += P[r][16, 8 M] B[8 M, 8 N] for the G groups of 16 rows from First on, P[r] being accumulators and
/// B a tile.
template <class T, int First, int G, int R, int N, int M>
__device__ __forceinline__ void multiply_accumulators(float (&acc)[R][N][4], const float (&p)[R][M][4], const T* b,
                                                      int stride) {
  using F = Fragments<T>;
#pragma unroll
  for (int step = 0; step < 8 * M / F::kDepth; ++step) {
    typename F::A fa[G];
#pragma unroll
    for (int r = 0; r < G; ++r) fa[r] = F::from_accumulators(p[First + r], step);
#pragma unroll
    for (int n = 0; n < N; n += 2) {
      typename F::B fb[2];
      F::load_b_by_row(fb, b, stride, step * F::kDepth, 8 * n);
#pragma unroll
      for (int r = 0; r < G; ++r) F::multiply(acc[First + r][n], acc[First + r][n + 1], fa[r], fb);
    }
  }
}

/// The same for one group.
template <class T, int N, int M>
__device__ __forceinline__ void multiply_accumulators(float (&acc)[N][4], const float (&p)[M][4], const T* b,
                                                      int stride) {
  multiply_accumulators<T, 0, 1>(reinterpret_cast<float(&)[1][N][4]>(acc), reinterpret_cast<const float(&)[1][M][4]>(p),
                                 b, stride);
}

/// Starts copying `rows` rows of `columns` elements into a tile of Rows by D, and makes the rest of the tile zero. With
/// kVector the copies are asynchronous 16-byte ones: the caller commits and waits. All kThreads threads of the block
/// take part.
template <int Rows, int D, int kThreads, bool kVector, class T>
__device__ __forceinline__ void load_tile(T* tile, const T* from, std::int64_t stride, int rows, int columns) {
  constexpr int kWidth = kVector ? 16 / static_cast<int>(sizeof(T)) : 1, kAcross = D / kWidth;
  static_assert(Rows * kAcross % kThreads == 0 && kThreads % kAcross == 0);
  const int first = static_cast<int>(threadIdx.x) / kAcross, column = static_cast<int>(threadIdx.x) % kAcross * kWidth;
  T* to = tile + first * (D + kRowPad<T>)+column;
  const T* source = from + first * stride + column;
  if (column >= columns) rows = 0;
#pragma unroll(kVector ? Rows* kAcross / kThreads : 4)
  for (int step = 0; step < Rows * kAcross / kThreads; ++step) {
    constexpr int kRows = kThreads / kAcross;
    const bool valid = first + step * kRows < rows;
    if constexpr (kVector)
      cp_async<16>(to + step * kRows * (D + kRowPad<T>), valid ? source + step * kRows * stride : from, valid);
    else
      store_shared(to + step * kRows * (D + kRowPad<T>),
                   valid ? load_global(source + step * kRows * stride) : from_f<T>(0.0f));
  }
}

/// Writes the warp's accumulators as rows of T: through 16 rows of its own in a tile, then in whole vectors.
template <int D, bool kVector, int kStride, class T>
__device__ __forceinline__ void store_accumulators(T* to, std::int64_t stride, int rows, int columns, T* own_rows,
                                                   const float (&acc)[D / 8][4]) {
  const int g = lane_id() / 4, t = lane_id() % 4;
  __syncwarp();  // the rows may have been read by the lanes of the warp
#pragma unroll
  for (int n = 0; n < D / 8; ++n)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const Vec<T, 2> pair{{from_f<T>(acc[n][2 * half]), from_f<T>(acc[n][2 * half + 1])}};
      store_shared(reinterpret_cast<Vec<T, 2>*>(own_rows + (g + 8 * half) * kStride + 8 * n + 2 * t), pair);
    }
  __syncwarp();
  constexpr int kWidth = kVector ? 16 / static_cast<int>(sizeof(T)) : 1, kAcross = D / kWidth;
  for (int i = lane_id(); i < 16 * kAcross; i += 32) {
    const int row = i / kAcross, column = i % kAcross * kWidth;
    if (row >= rows || column >= columns) continue;
    using V = Vec<T, kWidth>;
    store_global(reinterpret_cast<V*>(to + row * stride + column),
                 load_shared(reinterpret_cast<const V*>(own_rows + row * kStride + column)));
  }
}

}  // namespace attune::device
