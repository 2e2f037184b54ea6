// The counts in the form that the solver needs: X w and X^T r as fast as memory allows.
//
// Both products gather: there is a copy by rows and a copy by columns. So one thread sums each output in one order, and
// any number of threads gives the same bits. Reading the indices limits the speed, hence:
//   - three quarters of all counts in text are 1: they are kept apart, as bare indices;
//   - indices are 16 bits wide, within blocks of 65,536 columns (or rows);
//   - columns are reordered by falling frequency: the few hundred words that make up most of a text then share a few
//     cache lines of w, and columns of like length follow one another.
// Together 6.7 ms for both products on 4.8 million counts, where plain 32-bit rows and doubles took 11.8 (one core).
// Vectors over columns are in this order ("position"); column_at() leads back.
//
// With K outputs per row (the classes of softmax) a vector over columns or rows holds K numbers at each place.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/linear/word_counts.h"

namespace attune {

class DesignMatrix {
 public:
  /// Throws Error beyond 2^31 - 1 rows.
  explicit DesignMatrix(const CountMatrix& counts);

  std::int64_t rows() const { return by_row_.lines(); }
  std::int64_t columns() const { return by_column_.lines(); }
  /// The column of `counts` at a position.
  std::int32_t column_at(std::int64_t position) const { return order_[static_cast<std::size_t>(position)]; }

  /// z[i, k] = sum_j X[i, j] w[j, k]; w is [columns, outputs], z [rows, outputs].
  void multiply(const double* w, int outputs, double* z) const { by_row_.gather(w, outputs, z); }
  /// s[j, k] = sum_i X[i, j] r[i, k]; r is [rows, outputs], s [columns, outputs].
  void multiply_transposed(const double* r, int outputs, double* s) const { by_column_.gather(r, outputs, s); }
  /// The same with the squares of the counts.
  void multiply_transposed_squares(const double* r, int outputs, double* s) const {
    by_column_.gather_squares(r, outputs, s);
  }

 private:
  // One orientation: lines (rows or columns) of indices into the other.
  class Lines {
   public:
    Lines() = default;
    /// Line i is [starts[i], starts[i + 1]) of ids and counts; ids lie in [0, width).
    Lines(std::span<const std::int64_t> starts, std::span<const std::int32_t> ids, std::span<const std::int32_t> counts,
          std::int64_t width);
    std::int64_t lines() const { return lines_; }
    void gather(const double* v, int outputs, double* out) const;
    void gather_squares(const double* v, int outputs, double* out) const;

   private:
    struct Start {
      std::int64_t one, more;
    };
    // The part of every line whose ids lie in [65536 b, 65536 (b + 1)).
    struct Block {
      std::vector<Start> starts{{0, 0}};
      std::vector<std::uint16_t> one_ids, more_ids;
      std::vector<std::int32_t> more_counts;

      double product(const double* v, std::size_t line) const;
      template <bool kSquared>
      void add_product(const double* v, int outputs, std::size_t line, double* sum) const;
    };
    template <class PerLine>
    void for_each_line(PerLine&& per_line) const;
    template <bool kSquared>
    void gather_many(const double* v, int outputs, double* out) const;

    std::int64_t lines_ = 0;
    std::vector<Block> blocks_;
    std::vector<std::int64_t> cuts_{0};  // lines in pieces of about equal work
  };

  Lines by_row_, by_column_;
  std::vector<std::int32_t> order_;
};

}  // namespace attune
