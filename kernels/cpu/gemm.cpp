// k is cut into blocks. B's part of a block is packed by all threads into strips as wide as the register tile, each
// from front to back in the order of reading. A is read in place if its rows lie along k, and packed into panels as
// high as the tile if they do not, or if it is rounded on the way. Then each task owns a part of C: a panel of A stays
// close while the task's strips of B pass by. Tasks that follow each other have the same strips, which stay in the L2
// cache, or the same rows of A where that cache holds few strips.
//
// Goto, van de Geijn: "Anatomy of high-performance matrix multiplication", ACM TOMS 2008.
#include "kernels/cpu/gemm.h"

#include <unistd.h>

#include <algorithm>
#include <type_traits>

#include "base/bfloat16.h"
#include "base/math.h"
#include "base/parallel.h"
#include "kernels/cpu/gemm_tile.h"
#include "kernels/cpu/scratch.h"

namespace attune::kernels {
namespace {

constexpr std::int64_t kDepth = 768;       // most of k in a block
constexpr std::int64_t kMinTaskRows = 24;  // of C, rounded up to whole tiles
constexpr std::int64_t kRowTasks = 16;     // target
constexpr std::int64_t kStripsStay = 2;    // columns for a row, measured on a Zen 4 (bench/results/cpu-amd-epyc.md)
constexpr std::int64_t kTasks = 32;        // target for the fewest, so that the last task is a small part
constexpr std::int64_t kPackedRows = 4096, kPackedColumns = 8192;  // of an operand at a time
constexpr std::int64_t kPackDepth = 16;                            // few rows at once: they may share a cache set
constexpr std::int64_t kPanelsAhead = 4;                           // of A, fetched before they are packed

// A block of k, with the rows of A and the columns of B that are packed for it.
template <class P>
struct Block {
  std::int64_t d, depth, row, rows, column, columns;
  std::int64_t packed_depth;  // whole steps
  P* panels = nullptr;        // of A, kernel.rows high; null: read in place
  P* strips = nullptr;        // of B, kernel.columns() wide; the last one may be narrower
};

// Of the L2 cache of one core.
std::int64_t l2_cache_bytes() {
  static const std::int64_t bytes = [] {
    constexpr std::int64_t kUnknown = 1 << 20;
    const std::int64_t size = sysconf(_SC_LEVEL2_CACHE_SIZE);
    return size > 0 ? size : kUnknown;
  }();
  return bytes;
}

// Rows and columns of C.
struct Part {
  std::int64_t row, rows, column, columns;
};

template <class P, class T>
ATTUNE_INLINE void round_row(P* out, const T* x, std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) out[i] = to_bfloat16(x[i]);
}

// P is the type of packed operands: T, or a shorter one that they are rounded to.
template <class T, class P = T>
class Product {
 public:
  explicit Product(const Gemm<T>& g)
      : g_(g),
        kernel_(kernel_of<T, P>(cpu_level(), bfloat16_products(cpu_level()))),
        depth_(kernel_.whole_steps(
            std::max<std::int64_t>(1, ceil_div(g.k, std::max<std::int64_t>(1, ceil_div(g.k, kDepth)))))),
        packed_columns_(kPackedColumns / kernel_.columns() * kernel_.columns()) {}

  void run() const {
    static_assert(!kRounds, "rounded operands are packed in panels, on all threads");
    for_each_block(g_.m, [&](Block<P>& block) {
      block.strips = scratch<P>(ScratchSlot::kGemmB, strip_elements(block));
      pack_strips(block, 0, block.columns, 0, block.depth);
      multiply(block, {block.row, block.rows, block.column, block.columns});
    });
  }

  void run_on_all_threads() const;

 private:
  static constexpr bool kRounds = !std::is_same_v<T, P>;

  template <class Body>
  void for_each_block(std::int64_t packed_rows, Body&& body) const;
  std::int64_t strip_elements(const Block<P>& block) const {
    return ceil_div(block.columns, kernel_.lanes) * kernel_.lanes * block.packed_depth;
  }
  std::int64_t vectors_of(std::int64_t columns) const {
    return std::min(kernel_.vectors, ceil_div(columns, kernel_.lanes));
  }
  const T* a_at(std::int64_t i, std::int64_t d) const {
    return g_.transpose_a ? g_.a + d * g_.lda + i : g_.a + i * g_.lda + d;
  }
  const T* b_at(std::int64_t d, std::int64_t j) const {
    return g_.transpose_b ? g_.b + j * g_.ldb + d : g_.b + d * g_.ldb + j;
  }
  void pack_panel(P* panel, std::int64_t i, std::int64_t rows, std::int64_t d, std::int64_t depth) const {
    kernel_.pack_rows(panel, a_at(i, d), g_.transpose_a ? 1 : g_.lda, g_.transpose_a ? g_.lda : 1, rows, depth);
  }
  void round_rows(const Block<P>& block, std::int64_t row, std::int64_t rows) const;
  // Whether packed rows of A lie along k.
  bool panels_along_k() const { return kernel_.transpose_rows != nullptr || (kRounds && !g_.transpose_a); }
  void clear_after_rows(const Block<P>& block, std::int64_t panel_rows) const;
  void pack_panels(const Block<P>& block, std::int64_t d, std::int64_t depth) const;
  void pack_strips(const Block<P>& block, std::int64_t column, std::int64_t columns, std::int64_t d,
                   std::int64_t depth) const;
  std::int64_t task_columns(const Block<P>& block, std::int64_t row_tasks) const;
  void multiply(const Block<P>& block, const Part& part) const;
  void multiply_panel(const Block<P>& block, const Part& panel) const;
  void partial_tile(const Tile<T, P>& tile, typename Kernel<T, P>::Function function, const Part& part,
                    std::int64_t width) const;

  const Gemm<T>& g_;
  const Kernel<T, P>& kernel_;
  std::int64_t depth_, packed_columns_;
};

template <class T, class P>
template <class Body>
void Product<T, P>::for_each_block(std::int64_t packed_rows, Body&& body) const {
  for (std::int64_t column = 0; column < g_.n; column += packed_columns_)
    for (std::int64_t row = 0; row < g_.m; row += packed_rows)
      for (std::int64_t d = 0; d == 0 || d < g_.k; d += depth_) {
        Block<P> block{.d = d,
                       .depth = std::min(depth_, g_.k - d),
                       .row = row,
                       .rows = std::min(packed_rows, g_.m - row),
                       .column = column,
                       .columns = std::min(packed_columns_, g_.n - column),
                       .packed_depth = kernel_.whole_steps(std::min(depth_, g_.k - d))};
        body(block);
      }
}

// Each row along k, as in A.
template <class T, class P>
void Product<T, P>::round_rows(const Block<P>& block, std::int64_t row, std::int64_t rows) const {
  if constexpr (kRounds)
    for (std::int64_t i = row; i < row + rows; ++i) {
      P* out = block.panels + i * block.packed_depth;
      const std::int64_t depth = i < block.rows ? block.depth : 0;
      if (depth > 0) vectorized<round_row<P, T>>(out, a_at(block.row + i, block.d), depth);
      std::fill(out + depth, out + block.packed_depth, P{});
    }
}

// Of panels along k, what completes the last steps, and the last panel.
template <class T, class P>
void Product<T, P>::clear_after_rows(const Block<P>& block, std::int64_t panel_rows) const {
  for (std::int64_t i = 0; i < panel_rows; ++i)
    std::fill_n(block.panels + i * block.packed_depth + (i < block.rows ? block.depth : 0),
                block.packed_depth - (i < block.rows ? block.depth : 0), P{});
}

// d and depth are a part of the block's.
template <class T, class P>
void Product<T, P>::pack_panels(const Block<P>& block, std::int64_t d, std::int64_t depth) const {
  const std::int64_t height = kernel_.rows;
  if (kernel_.transpose_rows != nullptr) {
    kernel_.transpose_rows(block.panels + d, block.packed_depth, a_at(block.row, block.d + d), g_.lda, block.rows,
                           depth);
    return;
  }
  for (std::int64_t i = 0; i < block.rows; i += height) {
    P* panel = block.panels + i * block.packed_depth + d * height;
    for (std::int64_t at = 0; at < depth * height; at += kLineBytes / static_cast<std::int64_t>(sizeof(P)))
      __builtin_prefetch(panel + kPanelsAhead * height * block.packed_depth + at, 1);  // each is on other pages
    pack_panel(panel, block.row + i, std::min(height, block.rows - i), block.d + d, depth);
  }
}

template <class T, class P>
void Product<T, P>::pack_strips(const Block<P>& block, std::int64_t column, std::int64_t columns, std::int64_t d,
                                std::int64_t depth) const {
  for (std::int64_t j = column; j < column + columns; j += kernel_.columns()) {
    const std::int64_t count = std::min(kernel_.columns(), column + columns - j), vectors = vectors_of(count);
    kernel_.pack_columns[vectors - 1](block.strips + j * block.packed_depth + d * vectors * kernel_.lanes,
                                      b_at(block.d + d, block.column + j), g_.transpose_b ? g_.ldb : 1,
                                      g_.transpose_b ? 1 : g_.ldb, count, depth);
    if (d + depth < block.depth) continue;
    const std::int64_t packed = ceil_div(block.depth, kTogether<P>) * kTogether<P>, width = vectors * kernel_.lanes;
    std::fill_n(block.strips + j * block.packed_depth + packed * width, (block.packed_depth - packed) * width, P{});
  }
}

// As many whole strips as half of the L2 cache holds, or fewer, so that there are about kTasks.
template <class T, class P>
std::int64_t Product<T, P>::task_columns(const Block<P>& block, std::int64_t row_tasks) const {
  const std::int64_t strips = ceil_div(block.columns, kernel_.columns()),
                     strip_bytes = kernel_.columns() * block.packed_depth * static_cast<std::int64_t>(sizeof(P)),
                     cached = std::max<std::int64_t>(1, l2_cache_bytes() / 2 / std::max<std::int64_t>(1, strip_bytes)),
                     groups = ceil_div(strips, std::min(cached, ceil_div(strips * row_tasks, kTasks)));
  return ceil_div(strips, groups) * kernel_.columns();
}

template <class T, class P>
void Product<T, P>::run_on_all_threads() const {
  for_each_block(kPackedRows, [&](Block<P>& block) {
    block.strips = scratch<P>(ScratchSlot::kGemmB, strip_elements(block));
    const std::int64_t whole_panels = ceil_div(block.rows, kernel_.rows) * kernel_.rows;
    if (g_.transpose_a || kRounds) block.panels = scratch<P>(ScratchSlot::kGemmA, whole_panels * block.packed_depth);
    if (g_.transpose_b)
      parallel_for(block.columns, kernel_.columns(), [&](std::int64_t begin, std::int64_t end) {
        pack_strips(block, begin, end - begin, 0, block.depth);
      });
    if (kRounds && g_.transpose_a && panels_along_k()) clear_after_rows(block, whole_panels);
    if (kRounds && !g_.transpose_a)
      parallel_for(whole_panels, kernel_.rows,
                   [&](std::int64_t begin, std::int64_t end) { round_rows(block, begin, end - begin); });
    if (!g_.transpose_b || g_.transpose_a)
      parallel_for(block.depth, kPackDepth, [&](std::int64_t begin, std::int64_t end) {
        if (!g_.transpose_b) pack_strips(block, 0, block.columns, begin, end - begin);
        if (g_.transpose_a) pack_panels(block, begin, end - begin);
      });
    const std::int64_t least_rows = ceil_div(kMinTaskRows, kernel_.rows) * kernel_.rows,
                       rows = std::clamp(ceil_div(block.rows, kRowTasks * least_rows) * least_rows, least_rows,
                                         kMaxTaskRows),
                       row_tasks = ceil_div(block.rows, rows), columns = task_columns(block, row_tasks),
                       column_tasks = ceil_div(block.columns, columns);
    // The next task has the same strips if a task has many more columns than rows, so that A is read again rarely. Else
    // it has the same rows of A: strips are fetched ahead of their use (gemm_tile.cpp), and rows of A are not.
    const bool strips_stay = columns >= kStripsStay * rows;
    parallel_for(row_tasks * column_tasks, 1, [&](std::int64_t task, std::int64_t) {
      const std::int64_t i = (strips_stay ? task % row_tasks : task / column_tasks) * rows,
                         j = (strips_stay ? task / row_tasks : task % column_tasks) * columns;
      multiply(block,
               {block.row + i, std::min(rows, block.rows - i), block.column + j, std::min(columns, block.columns - j)});
    });
  });
}

template <class T, class P>
void Product<T, P>::multiply(const Block<P>& block, const Part& part) const {
  if (kernel_.begin != nullptr) kernel_.begin();
  for (std::int64_t i = 0; i < part.rows; i += kernel_.rows)
    multiply_panel(block, {part.row + i, std::min(kernel_.rows, part.rows - i), part.column, part.columns});
  if (kernel_.end != nullptr) kernel_.end();
}

// At most as many rows as a tile has.
template <class T, class P>
void Product<T, P>::multiply_panel(const Block<P>& block, const Part& panel) const {
  Tile<T, P> tile{.ldc = g_.ldc, .depth = block.depth, .alpha = g_.alpha};
  bool along_rows = kRounds && panels_along_k();  // also where k is 0 and nothing is packed
  if (block.panels != nullptr) {
    tile.a = block.panels + (panel.row - block.row) * block.packed_depth;
    tile.lda = along_rows ? block.packed_depth : kernel_.rows;
  } else if constexpr (!kRounds) {  // rounded rows have panels, or k is 0 and A is not read
    if (panel.rows < kernel_.rows) {
      P* padded = scratch<P>(ScratchSlot::kGemmLastRows, kernel_.rows * block.packed_depth);
      pack_panel(padded, panel.row, panel.rows, block.d, block.depth);
      tile.a = padded;
      tile.lda = kernel_.rows;
    } else {
      tile.a = a_at(panel.row, block.d);
      tile.lda = g_.lda;
      along_rows = !g_.transpose_a;
    }
  }
  const auto& functions = along_rows ? kernel_.rows_of_a : kernel_.columns_of_a;
  for (std::int64_t j = panel.column; j < panel.column + panel.columns; j += kernel_.columns()) {
    const std::int64_t columns = std::min(kernel_.columns(), panel.column + panel.columns - j),
                       vectors = vectors_of(columns), width = vectors * kernel_.lanes;
    tile.b = block.strips + (j - block.column) * block.packed_depth;
    tile.c = g_.c + panel.row * g_.ldc + j;
    if (block.d > 0 || g_.accumulate)
      tile.base = tile.c, tile.ldbase = g_.ldc;
    else if (g_.bias != nullptr)
      tile.base = g_.bias + j, tile.ldbase = 0;
    if (panel.rows == kernel_.rows && columns == width)
      functions[vectors - 1](tile);
    else
      partial_tile(tile, functions[vectors - 1], {panel.row, panel.rows, j, columns}, width);
  }
}

// Through buffers; only the part inside C is used.
template <class T, class P>
void Product<T, P>::partial_tile(const Tile<T, P>& tile, typename Kernel<T, P>::Function function, const Part& part,
                                 std::int64_t width) const {
  T out[kMaxTileElements], base[kMaxTileElements];
  Tile<T, P> whole = tile;
  whole.c = out;
  whole.ldc = width;
  if (tile.base != nullptr) {
    std::fill_n(base, kernel_.rows * width, T(0));
    for (std::int64_t r = 0; r < part.rows; ++r)
      std::copy_n(tile.base + r * tile.ldbase, part.columns, base + r * width);
    whole.base = base;
    whole.ldbase = width;
  }
  function(whole);
  for (std::int64_t r = 0; r < part.rows; ++r) std::copy_n(out + r * width, part.columns, tile.c + r * tile.ldc);
}

}  // namespace

template <class T>
void gemm(const Gemm<T>& g) {
  if (g.m > 0 && g.n > 0) Product<T>(g).run();
}

template <class T>
void parallel_gemm(const Gemm<T>& g) {
  if (g.m > 0 && g.n > 0) Product<T>(g).run_on_all_threads();
}

void bfloat16_gemm(const Gemm<float>& g) {
  if (g.m > 0 && g.n > 0) Product<float, BFloat16>(g).run_on_all_threads();
}

template void gemm(const Gemm<float>&);
template void gemm(const Gemm<double>&);
template void parallel_gemm(const Gemm<float>&);
template void parallel_gemm(const Gemm<double>&);

}  // namespace attune::kernels
