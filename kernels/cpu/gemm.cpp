#include "kernels/cpu/gemm.h"

#include <algorithm>

#include "base/math.h"
#include "base/parallel.h"

#ifdef ATTUNE_HAVE_OPENBLAS
#include <cblas.h>
#endif

namespace attune {
namespace {

#ifdef ATTUNE_HAVE_OPENBLAS

template <class T>
void gemm_on_library(const Gemm<T>& g) {
  [[maybe_unused]] static const bool one_thread = [] {
    openblas_set_num_threads(1);
    return true;
  }();
  const auto op = [](bool transpose) { return transpose ? CblasTrans : CblasNoTrans; };
  const auto call = [&](auto function) {
    function(CblasRowMajor, op(g.transpose_a), op(g.transpose_b), narrow<blasint>(g.m), narrow<blasint>(g.n), narrow<blasint>(g.k),
             g.alpha, g.a, narrow<blasint>(g.lda), g.b, narrow<blasint>(g.ldb), g.beta, g.c, narrow<blasint>(g.ldc));
  };
  if constexpr (sizeof(T) == sizeof(float)) call(cblas_sgemm);
  else call(cblas_dgemm);
}

#else

template <class T>
void gemm_on_library(const Gemm<T>& g) {
  gemm_blocked(g);
}

#endif

// The tile of C one thread works on. Large tiles repack the operands less often; a small C is still cut into enough of
// them to keep many cores busy.
struct Tiles {
  std::int64_t rows = 1024, columns = 1024;

  Tiles(std::int64_t m, std::int64_t n) {
    constexpr std::int64_t kEnough = 16, kLeast = 64;
    while (count(m, n) < kEnough && (rows > kLeast || columns > kLeast)) {
      const std::int64_t tall = std::min(rows, m), wide = std::min(columns, n);
      if (columns <= kLeast || (rows > kLeast && tall >= wide)) rows /= 2;
      else columns /= 2;
    }
  }
  std::int64_t count(std::int64_t m, std::int64_t n) const { return ceil_div(m, rows) * ceil_div(n, columns); }
};

}  // namespace

template <class T>
void gemm(const Gemm<T>& g) {
  if (g.m <= 0 || g.n <= 0) return;
  if (g.bias == nullptr) return gemm_on_library(g);
  for (std::int64_t i = 0; i < g.m; ++i) std::copy(g.bias, g.bias + g.n, g.c + i * g.ldc);
  Gemm<T> onto_bias = g;
  onto_bias.beta = 1;
  gemm_on_library(onto_bias);
}

template <class T>
void parallel_gemm(const Gemm<T>& g) {
  if (g.m <= 0 || g.n <= 0) return;
  const Tiles tiles(g.m, g.n);
  const std::int64_t across = ceil_div(g.n, tiles.columns);
  parallel_for(tiles.count(g.m, g.n), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t tile = begin; tile < end; ++tile) {
      const std::int64_t i = tile / across * tiles.rows, j = tile % across * tiles.columns;
      Gemm<T> part = g;
      part.m = std::min(tiles.rows, g.m - i);
      part.n = std::min(tiles.columns, g.n - j);
      part.a += g.transpose_a ? i : i * g.lda;
      part.b += g.transpose_b ? j * g.ldb : j;
      part.c += i * g.ldc + j;
      if (g.bias != nullptr) part.bias += j;
      gemm(part);
    }
  });
}

template void gemm(const Gemm<float>&);
template void gemm(const Gemm<double>&);
template void parallel_gemm(const Gemm<float>&);
template void parallel_gemm(const Gemm<double>&);

}  // namespace attune
