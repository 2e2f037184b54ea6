// The register tile of the matrix product, for each instruction set.
#pragma once

#include <cstdint>
#include <type_traits>

#include "base/bfloat16.h"
#include "kernels/cpu/simd.h"

namespace attune::kernels {

/// Vectors of B, side by side, under the widest tile.
inline constexpr int kMaxTileVectors = 3;

/// Elements of the largest tile.
inline constexpr int kMaxTileElements = 8 * 48;

/// Elements of k that a tile takes in one step, next to each other in packed operands: pairs of bfloat16.
template <class P>
inline constexpr std::int64_t kStep = std::is_same_v<P, BFloat16> ? 2 : 1;

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
  /// With steps of two, out[d / 2][i][d % 2], and 0 for a d that completes the last pair.
  using Pack = void (*)(P* out, const T* x, std::int64_t stride_i, std::int64_t stride_d, std::int64_t count,
                        std::int64_t depth);

  std::int64_t rows, vectors, lanes;
  Function rows_of_a[kMaxTileVectors];     // A[i][d] = a[i * lda + d]
  Function columns_of_a[kMaxTileVectors];  // A[i][d] = a[d * lda + i], or pairs, as they are packed
  Pack pack_rows;                          // of A: `rows` wide
  Pack pack_columns[kMaxTileVectors];      // of B

  std::int64_t columns() const { return vectors * lanes; }
};

/// T is float or double; P is T, or BFloat16 under float. `instruction`: bfloat16 by the instruction of AVX512-BF16,
/// which has_bfloat16_products(level) must allow.
template <class T, class P>
const Kernel<T, P>& kernel_of(CpuLevel level, bool instruction);

}  // namespace attune::kernels
