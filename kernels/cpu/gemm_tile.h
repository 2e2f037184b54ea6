// The register tile of the matrix product, for each instruction set.
#pragma once

#include <cstdint>
#include <type_traits>

#include "base/bfloat16.h"
#include "base/math.h"
#include "kernels/cpu/simd.h"

namespace attune::kernels {

/// Vectors of B, side by side, under the widest tile.
inline constexpr int kMaxTileVectors = 3;

/// Elements of the largest tile.
inline constexpr int kMaxTileElements = 32 * 32;

/// Most rows of C in one task; a multiple of the rows of every tile.
inline constexpr std::int64_t kMaxTaskRows = 96;

/// Bytes of a cache line.
inline constexpr std::int64_t kLineBytes = 64;

/// Elements of k that lie next to each other in packed operands: pairs of bfloat16.
template <class P>
inline constexpr std::int64_t kTogether = std::is_same_v<P, BFloat16> ? 2 : 1;

/// What a tile computes:  C[rows, columns] = base + alpha A[rows, depth] B[depth, columns], with operands of type P.
template <class T, class P>
struct Tile {
  T* c = nullptr;
  std::int64_t ldc = 0;
  const P* a = nullptr;
  std::int64_t lda = 0;
  const P* b = nullptr;  // a packed strip: `columns` elements for each d, or pairs of them for each pair of d
  std::int64_t depth = 0;
  T alpha = 1;
  const T* base = nullptr;  // [rows, columns] with rows `ldbase` apart, may be C; null: zero
  std::int64_t ldbase = 0;
};

/// A strip is 1 to `vectors` vectors of `lanes` elements wide. Functions are in the order of that width.
template <class T, class P>
struct Kernel {
  using Function = void (*)(const Tile<T, P>&);
  /// out[d][i] = x[i * stride_i + d * stride_d], rounded, for i < count, 0 from there to the width. One stride is 1.
  /// In pairs, out[d / 2][i][d % 2], and 0 for a d that completes the last pair.
  using Pack = void (*)(P* out, const T* x, std::int64_t stride_i, std::int64_t stride_d, std::int64_t count,
                        std::int64_t depth);
  /// out[i * stride + d] = x[d * stride_d + i], rounded, for i < count and d < depth.
  using Transpose = void (*)(P* out, std::int64_t stride, const T* x, std::int64_t stride_d, std::int64_t count,
                             std::int64_t depth);

  std::int64_t rows, vectors, lanes;
  std::int64_t step;                       // elements of k that a tile takes at once: zeros complete the last ones
  Function rows_of_a[kMaxTileVectors];     // A[i][d] = a[i * lda + d]
  Function columns_of_a[kMaxTileVectors];  // A[i][d] = a[d * lda + i], or pairs, as they are packed
  Pack pack_rows;                          // of A: `rows` wide
  Pack pack_columns[kMaxTileVectors];      // of B
  Transpose transpose_rows = nullptr;  // of A, if its packed rows lie along k (then columns_of_a, pack_rows are null)
  void (*begin)() = nullptr;           // to be called by a thread before and after its tiles; null: nothing to do
  void (*end)() = nullptr;

  std::int64_t columns() const { return vectors * lanes; }
  std::int64_t whole_steps(std::int64_t depth) const { return ceil_div(depth, step) * step; }
};

/// T is float or double; P is T, or BFloat16 under float, whose products bfloat16_products(level) must allow.
template <class T, class P>
const Kernel<T, P>& kernel_of(CpuLevel level, BFloat16Products products = BFloat16Products::kPortable);

}  // namespace attune::kernels
