// The register tile of the matrix product, one per instruction set.
#pragma once

#include <cstdint>
#include <vector>

namespace attune::kernels {

/// Elements of the largest tile.
inline constexpr int kMaxTileElements = 12 * 32;

/// C[rows, columns] (+)= alpha A[rows, depth] B[depth, columns], B packed with `columns` elements to a row.
template <class T>
struct Kernel {
  using Function = void (*)(T* c, std::int64_t ldc, const T* a, std::int64_t lda, const T* b, std::int64_t depth,
                            T alpha, bool add);
  /// out[d][i] = x[i * stride_i + d * stride_d] for i < count, 0 from there to `rows` or `columns`. One stride is 1.
  using Pack = void (*)(T* out, const T* x, std::int64_t stride_i, std::int64_t stride_d, std::int64_t count,
                        std::int64_t depth);

  std::int64_t rows, columns;
  Function rows_of_a;     // A[i][d] = a[i * lda + d]
  Function columns_of_a;  // A[i][d] = a[d * lda + i]
  Pack pack_rows, pack_columns;
};

/// The kernels the machine can run, the fastest last.
template <class T>
std::vector<Kernel<T>> supported_kernels();

/// The fastest of them.
template <class T>
const Kernel<T>& kernel_of();

}  // namespace attune::kernels
