// The counts as the solver wants them: X w and X^T r as fast as memory allows.
//
// Both products gather, over a copy by rows and a copy by columns, so that each output is summed by one thread in one order
// and any number of threads gives the same bits. Three quarters of all counts in text are 1: they are kept apart, as bare
// indices, so that they cost neither a load nor a multiplication. Columns are reordered by falling frequency: the few
// hundred words that make up most of a text then share a few cache lines of w, and columns of like length follow another.
// Vectors over columns are in this order ("position"); column_at() leads back.
//
// With K outputs per row (the classes of softmax) a vector over columns or rows holds K numbers at each place.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/parallel.h"
#include "models/linear/word_counts.h"

namespace attune {

class DesignMatrix {
 public:
  explicit DesignMatrix(const CountMatrix& counts);

  std::int64_t rows() const { return by_row_.lines(); }
  std::int64_t columns() const { return by_column_.lines(); }
  /// The column of `counts` at a position.
  std::int32_t column_at(std::int64_t position) const { return order_[static_cast<std::size_t>(position)]; }

  /// For every row i, on any thread: use(i, z) with z[k] = sum_j X[i, j] w[j, k]; w is [columns, outputs].
  template <class Use>
  void for_each_row(const double* w, int outputs, Use&& use) const {
    by_row_.gather(w, outputs, use);
  }
  /// For every position j, on any thread: use(j, s) with s[k] = sum_i X[i, j] r[i, k]; r is [rows, outputs].
  template <class Use>
  void for_each_column(const double* r, int outputs, Use&& use) const {
    by_column_.gather(r, outputs, use);
  }
  /// The same with the squares of the counts.
  template <class Use>
  void for_each_column_squared(const double* r, int outputs, Use&& use) const {
    by_column_.gather_squared(r, outputs, use);
  }

 private:
  // One orientation: lines (rows or columns) of indices into the other.
  class Lines {
   public:
    Lines() = default;
    /// Lines as given: index and count of line i are [starts[i], starts[i + 1]).
    Lines(std::span<const std::int64_t> starts, std::span<const std::int32_t> ids, std::span<const std::int32_t> counts);
    std::int64_t lines() const { return static_cast<std::int64_t>(one_starts_.size()) - 1; }
    std::int64_t pieces() const { return static_cast<std::int64_t>(cuts_.size()) - 1; }

    template <class Use>
    void gather(const double* v, int outputs, Use&& use) const {
      run(outputs, use, [&](std::size_t i, double* sum) { outputs == 1 ? add_one(v, i, sum) : add_many<false>(v, outputs, i, sum); });
    }
    template <class Use>
    void gather_squared(const double* v, int outputs, Use&& use) const {
      run(outputs, use, [&](std::size_t i, double* sum) { add_many<true>(v, outputs, i, sum); });
    }

   private:
    template <class Use, class Add>
    void run(int outputs, Use&& use, Add&& add) const {
      parallel_for(pieces(), 1, [&](std::int64_t piece, std::int64_t) {
        std::vector<double> sum(static_cast<std::size_t>(outputs));
        const auto at = static_cast<std::size_t>(piece);
        for (std::int64_t i = cuts_[at]; i < cuts_[at + 1]; ++i) {
          add(static_cast<std::size_t>(i), sum.data());
          use(i, sum.data());
        }
      });
    }
    void add_one(const double* v, std::size_t i, double* sum) const;
    template <bool kSquared>
    void add_many(const double* v, int outputs, std::size_t i, double* sum) const;

    std::vector<std::int64_t> one_starts_{0}, more_starts_{0};
    std::vector<std::int32_t> one_ids_, more_ids_, more_counts_;
    std::vector<std::int64_t> cuts_{0};
  };

  Lines by_row_, by_column_;
  std::vector<std::int32_t> order_;
};

}  // namespace attune
