// B is packed once, by all threads, into strips as wide as the register tile: strip[d][column], zeros beyond the last
// column. Then each task owns some rows of C and walks along k in blocks. In a block, a register tile runs over a strip
// of B from front to back and reads A in place. Rows that do not fill a whole tile are copied first and padded with
// zeros.
//
// Goto, van de Geijn: "Anatomy of high-performance matrix multiplication", ACM TOMS 2008.
#include "kernels/cpu/gemm.h"

#include <algorithm>

#include "base/math.h"
#include "base/parallel.h"
#include "kernels/cpu/gemm_tile.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/simd.h"

namespace attune::kernels {
namespace {

constexpr std::int64_t kDepth = 512;                  // of a block: a strip of B stays in the L2 cache
constexpr std::int64_t kPackedElements = 4 << 20;     // of B at a time
constexpr std::int64_t kTasks = 32;                   // target, so that many threads have work
constexpr std::int64_t kMinRows = 16, kMaxRows = 96;  // of a task

// A range of columns of C, with the packed strips of B under it.
template <class T>
struct Strips {
  const T* packed;  // [strips, k, kernel.columns]
  std::int64_t begin, end;
};

template <class T>
void pack_strips(const Gemm<T>& g, const Kernel<T>& kernel, T* packed, std::int64_t begin, std::int64_t end) {
  const std::int64_t width = kernel.columns;
  parallel_for(ceil_div(end - begin, width), std::max<std::int64_t>(1, kElementGrain / (width * g.k + 1)),
               [&](std::int64_t first, std::int64_t last) {
                 for (std::int64_t strip = first; strip < last; ++strip) {
                   const std::int64_t j = begin + strip * width;
                   kernel.pack_columns(packed + strip * g.k * width, g.b + (g.transpose_b ? j * g.ldb : j),
                                       g.transpose_b ? g.ldb : 1, g.transpose_b ? 1 : g.ldb, std::min(width, end - j),
                                       g.k);
                 }
               });
}

// One block of rows, of k and of columns: C[rows, columns] (+)= alpha A[rows, d ..] B[d .., columns].
template <class T>
class BlockProduct {
 public:
  BlockProduct(const Gemm<T>& g, const Kernel<T>& kernel, std::int64_t first_row, std::int64_t rows, std::int64_t d,
               std::int64_t depth)
      : g_(g),
        kernel_(kernel),
        row_(first_row),
        rows_(rows),
        whole_rows_(rows / kernel.rows * kernel.rows),
        d_(d),
        depth_(depth),
        add_(d > 0 || g.accumulate || g.bias != nullptr) {
    if (whole_rows_ == rows) return;
    last_rows_ = scratch<T>(ScratchSlot::kGemmA, kernel.rows * depth);
    kernel.pack_rows(last_rows_, at(whole_rows_), g.transpose_a ? 1 : g.lda, g.transpose_a ? g.lda : 1,
                     rows - whole_rows_, depth);
  }

  void run(const Strips<T>& strips) const {
    const std::int64_t width = kernel_.columns;
    for (std::int64_t j = strips.begin; j < strips.end; j += width) {
      const T* strip = strips.packed + ((j - strips.begin) / width * g_.k + d_) * width;
      const bool whole = strips.end - j >= width;
      for (std::int64_t i = 0; i < rows_; i += kernel_.rows) {
        if (whole && i < whole_rows_)
          tile(g_.c + (row_ + i) * g_.ldc + j, g_.ldc, i, strip, add_);
        else
          partial_tile(i, j, strip, std::min(width, strips.end - j));
      }
    }
  }

 private:
  const T* at(std::int64_t i) const {
    return g_.transpose_a ? g_.a + d_ * g_.lda + row_ + i : g_.a + (row_ + i) * g_.lda + d_;
  }
  void tile(T* c, std::int64_t ldc, std::int64_t i, const T* strip, bool add) const {
    if (i >= whole_rows_)
      kernel_.columns_of_a(c, ldc, last_rows_, kernel_.rows, strip, depth_, g_.alpha, add);
    else if (g_.transpose_a)
      kernel_.columns_of_a(c, ldc, at(i), g_.lda, strip, depth_, g_.alpha, add);
    else
      kernel_.rows_of_a(c, ldc, at(i), g_.lda, strip, depth_, g_.alpha, add);
  }
  // Through a buffer; only its part inside C is used.
  void partial_tile(std::int64_t i, std::int64_t j, const T* strip, std::int64_t width) const {
    T buffer[kMaxTileElements] = {};
    const std::int64_t height = std::min(kernel_.rows, rows_ - i);
    T* c = g_.c + (row_ + i) * g_.ldc + j;
    if (add_)
      for (std::int64_t r = 0; r < height; ++r) std::copy_n(c + r * g_.ldc, width, buffer + r * kernel_.columns);
    tile(buffer, kernel_.columns, i, strip, add_);
    for (std::int64_t r = 0; r < height; ++r) std::copy_n(buffer + r * kernel_.columns, width, c + r * g_.ldc);
  }

  const Gemm<T>& g_;
  const Kernel<T>& kernel_;
  std::int64_t row_, rows_, whole_rows_, d_, depth_;
  bool add_;
  T* last_rows_ = nullptr;
};

template <class T>
void multiply(const Gemm<T>& g, const Kernel<T>& kernel, std::int64_t first_row, std::int64_t rows,
              const Strips<T>& strips) {
  if (g.bias != nullptr)
    for (std::int64_t i = first_row; i < first_row + rows; ++i)
      std::copy(g.bias + strips.begin, g.bias + strips.end, g.c + i * g.ldc + strips.begin);
  const std::int64_t blocks = std::max<std::int64_t>(1, ceil_div(g.k, kDepth)), depth = ceil_div(g.k, blocks);
  for (std::int64_t block = 0; block < blocks; ++block) {
    const std::int64_t d = block * depth;
    BlockProduct<T>(g, kernel, first_row, rows, d, std::min(depth, g.k - d)).run(strips);
  }
}

}  // namespace

template <class T>
void parallel_gemm(const Gemm<T>& g) {
  if (g.m <= 0 || g.n <= 0) return;
  const Kernel<T>& kernel = kernel_of<T>();
  const std::int64_t width = kernel.columns;
  const std::int64_t chunk =
      std::max<std::int64_t>(1, kPackedElements / (width * std::max<std::int64_t>(g.k, 1))) * width;
  const std::int64_t rows = ceil_div(std::clamp(ceil_div(g.m, kTasks), kMinRows, kMaxRows), kernel.rows) * kernel.rows;
  const std::int64_t row_tasks = ceil_div(g.m, rows);
  for (std::int64_t begin = 0; begin < g.n; begin += chunk) {
    const std::int64_t end = std::min(begin + chunk, g.n), strips = ceil_div(end - begin, width);
    T* packed = scratch<T>(ScratchSlot::kGemmB, strips * width * g.k);
    pack_strips(g, kernel, packed, begin, end);
    // Few rows: the columns are shared out as well.
    const std::int64_t group = ceil_div(strips, std::min(strips, ceil_div(kTasks / 2, row_tasks))),
                       groups = ceil_div(strips, group);
    parallel_for(row_tasks * groups, 1, [&](std::int64_t task, std::int64_t) {
      const std::int64_t i = task / groups * rows, strip = task % groups * group;
      const std::int64_t from = begin + strip * width;
      multiply(g, kernel, i, std::min(rows, g.m - i),
               {packed + strip * width * g.k, from, std::min(from + group * width, end)});
    });
  }
}

template <class T>
void gemm(const Gemm<T>& g) {
  if (g.m <= 0 || g.n <= 0) return;
  const Kernel<T>& kernel = kernel_of<T>();
  T* packed = scratch<T>(ScratchSlot::kGemmB, ceil_div(g.n, kernel.columns) * kernel.columns * g.k);
  pack_strips(g, kernel, packed, 0, g.n);
  multiply(g, kernel, 0, g.m, {packed, 0, g.n});
}

template void gemm(const Gemm<float>&);
template void gemm(const Gemm<double>&);
template void parallel_gemm(const Gemm<float>&);
template void parallel_gemm(const Gemm<double>&);

}  // namespace attune::kernels
