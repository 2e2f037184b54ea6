// The register tile of the matrix product, for each instruction set.
#pragma once

#include <cstdint>

#include "kernels/cpu/simd.h"

namespace attune::kernels {

/// Vectors of B, side by side, under the widest tile.
inline constexpr int kMaxTileVectors = 3;

/// Elements of the largest tile.
inline constexpr int kMaxTileElements = 8 * 48;

/// What a tile computes:  C[rows, columns] = base + alpha A[rows, depth] B[depth, columns].
template <class T>
struct Tile {
  T* c = nullptr;
  std::int64_t ldc = 0;
  const T* a = nullptr;
  std::int64_t lda = 0;
  const T* b = nullptr;  // a packed strip: `columns` elements for each d
  std::int64_t depth = 0;
  T alpha = 1;
  const T* base = nullptr;  // [rows, columns] with rows `ldbase` apart, may be C; null: zero
  std::int64_t ldbase = 0;
};

/// A strip is 1 to `vectors` vectors of `lanes` elements wide. Functions are in the order of that width.
template <class T>
struct Kernel {
  using Function = void (*)(const Tile<T>&);
  /// out[d][i] = x[i * stride_i + d * stride_d] for i < count, 0 from there to the width. One stride is 1.
  using Pack = void (*)(T* out, const T* x, std::int64_t stride_i, std::int64_t stride_d, std::int64_t count,
                        std::int64_t depth);

  std::int64_t rows, vectors, lanes;
  Function rows_of_a[kMaxTileVectors];     // A[i][d] = a[i * lda + d]
  Function columns_of_a[kMaxTileVectors];  // A[i][d] = a[d * lda + i]
  Pack pack_rows;                          // of A: `rows` wide
  Pack pack_columns[kMaxTileVectors];      // of B

  std::int64_t columns() const { return vectors * lanes; }
};

template <class T>
const Kernel<T>& kernel_of(CpuLevel level);

}  // namespace attune::kernels
