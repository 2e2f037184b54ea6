// Panels: op(B) is packed in blocks of kDepth rows by up to kColumns columns, op(A) in blocks of kRows rows by kDepth; both in
// strips as wide as the register tile, padded with zeros. The register tile then reads two strips front to back.
//
// Goto, van de Geijn: "Anatomy of high-performance matrix multiplication", ACM TOMS 2008.
#include <algorithm>

#include "base/math.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/simd.h"

namespace attune {
namespace {

constexpr std::int64_t kDepth = 256, kRows = 96, kColumns = 1024;  // A block 96 KiB, B block 1 MiB of float
constexpr int kTileRows = 6, kTileVectors = 2;

template <class T>
struct Vector {
  typedef T type __attribute__((vector_size(32)));
  static constexpr int kLanes = 32 / sizeof(T);
};
template <class T>
constexpr int kTileColumns = kTileVectors * Vector<T>::kLanes;

// Copies an [outer, depth] block into strips of `width` outer indices: out[strip][d][i]. x(o, d) = x[o * so + d * sd].
template <class T, int width>
ATTUNE_CLONES void pack(T* out, const T* x, std::int64_t so, std::int64_t sd, std::int64_t outer, std::int64_t depth) {
  for (std::int64_t o = 0; o < outer; o += width, out += width * depth) {
    const std::int64_t n = std::min<std::int64_t>(width, outer - o);
    const T* from = x + o * so;
    for (std::int64_t d = 0; d < depth; ++d)
      for (std::int64_t i = 0; i < width; ++i) out[d * width + i] = i < n ? from[i * so + d * sd] : T(0);
  }
}

// out[kTileRows, kTileColumns] = strip_a^T strip_b.
template <class T>
ATTUNE_CLONES void multiply_strips(T* out, const T* a, const T* b, std::int64_t depth) {
  using V = typename Vector<T>::type;
  constexpr int kLanes = Vector<T>::kLanes;
  V sum[kTileRows][kTileVectors] = {};
  for (std::int64_t d = 0; d < depth; ++d, a += kTileRows, b += kTileColumns<T>) {
    V right[kTileVectors];
    for (int j = 0; j < kTileVectors; ++j) __builtin_memcpy(&right[j], b + j * kLanes, sizeof(V));
    for (int i = 0; i < kTileRows; ++i)
      for (int j = 0; j < kTileVectors; ++j) sum[i][j] += a[i] * right[j];
  }
  __builtin_memcpy(out, sum, sizeof(sum));
}

template <class T>
void scale_c(const Gemm<T>& g) {
  if (g.beta == T(1)) return;
  for (std::int64_t i = 0; i < g.m; ++i)
    for (std::int64_t j = 0; j < g.n; ++j) {
      T& c = g.c[i * g.ldc + j];
      c = g.beta == T(0) ? T(0) : c * g.beta;
    }
}

// C[i0 .., j0 ..] += alpha * packed A block * packed B block.
template <class T>
void multiply_blocks(const Gemm<T>& g, const T* pa, const T* pb, std::int64_t i0, std::int64_t j0, std::int64_t rows,
                     std::int64_t columns, std::int64_t depth) {
  T tile[kTileRows * kTileColumns<T>];
  for (std::int64_t j = 0; j < columns; j += kTileColumns<T>)
    for (std::int64_t i = 0; i < rows; i += kTileRows) {
      multiply_strips(tile, pa + i * depth, pb + j * depth, depth);
      const std::int64_t height = std::min<std::int64_t>(kTileRows, rows - i);
      const std::int64_t width = std::min<std::int64_t>(kTileColumns<T>, columns - j);
      for (std::int64_t r = 0; r < height; ++r) {
        T* c = g.c + (i0 + i + r) * g.ldc + j0 + j;
        for (std::int64_t s = 0; s < width; ++s) c[s] += g.alpha * tile[r * kTileColumns<T> + s];
      }
    }
}

}  // namespace

template <class T>
void gemm_blocked(const Gemm<T>& g) {
  scale_c(g);
  const std::int64_t a_row = g.transpose_a ? 1 : g.lda, a_depth = g.transpose_a ? g.lda : 1;
  const std::int64_t b_column = g.transpose_b ? g.ldb : 1, b_depth = g.transpose_b ? 1 : g.ldb;
  T* pa = scratch<T>(ScratchSlot::kGemmA, kRows * kDepth);
  T* pb = scratch<T>(ScratchSlot::kGemmB, kColumns * kDepth);
  for (std::int64_t j = 0; j < g.n; j += kColumns) {
    const std::int64_t columns = std::min(kColumns, g.n - j);
    for (std::int64_t d = 0; d < g.k; d += kDepth) {
      const std::int64_t depth = std::min(kDepth, g.k - d);
      pack<T, kTileColumns<T>>(pb, g.b + j * b_column + d * b_depth, b_column, b_depth, columns, depth);
      for (std::int64_t i = 0; i < g.m; i += kRows) {
        const std::int64_t rows = std::min(kRows, g.m - i);
        pack<T, kTileRows>(pa, g.a + i * a_row + d * a_depth, a_row, a_depth, rows, depth);
        multiply_blocks(g, pa, pb, i, j, rows, columns, depth);
      }
    }
  }
}

template void gemm_blocked(const Gemm<float>&);
template void gemm_blocked(const Gemm<double>&);

}  // namespace attune
