#include "models/linear/design_matrix.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/check.h"

namespace attune {
namespace {

constexpr std::int64_t kPieceWork = 1 << 16;  // indices per piece: about 50 microseconds
constexpr std::int64_t kLineWork = 8;         // what a line costs beside its indices

}  // namespace

DesignMatrix::Lines::Lines(std::span<const std::int64_t> starts, std::span<const std::int32_t> ids,
                           std::span<const std::int32_t> counts) {
  const std::size_t lines = starts.size() - 1;
  const auto ones = static_cast<std::size_t>(std::count(counts.begin(), counts.end(), 1));
  one_starts_.reserve(starts.size());
  more_starts_.reserve(starts.size());
  one_ids_.reserve(ones);
  more_ids_.reserve(ids.size() - ones);
  more_counts_.reserve(ids.size() - ones);
  std::int64_t work = 0;
  for (std::size_t i = 0; i < lines; ++i) {
    for (auto k = static_cast<std::size_t>(starts[i]); k < static_cast<std::size_t>(starts[i + 1]); ++k) {
      if (counts[k] == 1) {
        one_ids_.push_back(ids[k]);
      } else {
        more_ids_.push_back(ids[k]);
        more_counts_.push_back(counts[k]);
      }
    }
    one_starts_.push_back(static_cast<std::int64_t>(one_ids_.size()));
    more_starts_.push_back(static_cast<std::int64_t>(more_ids_.size()));
    work += starts[i + 1] - starts[i] + kLineWork;
    if (work >= kPieceWork || i + 1 == lines) {
      cuts_.push_back(static_cast<std::int64_t>(i) + 1);
      work = 0;
    }
  }
}

// sum = the line's product with v. Independent partial sums hide the latency of the additions.
void DesignMatrix::Lines::add_one(const double* v, std::size_t i, double* sum) const {
  double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  const std::int32_t* id = one_ids_.data() + one_starts_[i];
  const std::int32_t* end = one_ids_.data() + one_starts_[i + 1];
  for (; id + 4 <= end; id += 4) {
    s0 += v[id[0]];
    s1 += v[id[1]];
    s2 += v[id[2]];
    s3 += v[id[3]];
  }
  for (; id < end; ++id) s0 += v[*id];
  id = more_ids_.data() + more_starts_[i];
  end = more_ids_.data() + more_starts_[i + 1];
  const std::int32_t* count = more_counts_.data() + more_starts_[i];
  for (; id + 2 <= end; id += 2, count += 2) {
    s1 += count[0] * v[id[0]];
    s2 += count[1] * v[id[1]];
  }
  if (id < end) s3 += *count * v[*id];
  *sum = (s0 + s1) + (s2 + s3);
}

// kSquared: with the squares of the counts.
template <bool kSquared>
void DesignMatrix::Lines::add_many(const double* v, int outputs, std::size_t i, double* sum) const {
  std::fill(sum, sum + outputs, 0.0);
  const auto at = [&](std::int32_t id) { return v + static_cast<std::ptrdiff_t>(id) * outputs; };
  for (std::int64_t k = one_starts_[i]; k < one_starts_[i + 1]; ++k) {
    const double* row = at(one_ids_[static_cast<std::size_t>(k)]);
    for (int o = 0; o < outputs; ++o) sum[o] += row[o];
  }
  for (std::int64_t k = more_starts_[i]; k < more_starts_[i + 1]; ++k) {
    const double* row = at(more_ids_[static_cast<std::size_t>(k)]);
    const double count = more_counts_[static_cast<std::size_t>(k)];
    for (int o = 0; o < outputs; ++o) sum[o] += (kSquared ? count * count : count) * row[o];
  }
}

template void DesignMatrix::Lines::add_many<false>(const double*, int, std::size_t, double*) const;
template void DesignMatrix::Lines::add_many<true>(const double*, int, std::size_t, double*) const;

DesignMatrix::DesignMatrix(const CountMatrix& counts) {
  CHECK(counts.rows() <= std::numeric_limits<std::int32_t>::max(), "logistic regression: too many rows: ", counts.rows());
  const auto columns = static_cast<std::size_t>(counts.columns);
  std::vector<std::int64_t> frequency(columns, 0);
  for (const std::int32_t column : counts.column_ids) ++frequency[static_cast<std::size_t>(column)];
  order_.resize(columns);
  std::iota(order_.begin(), order_.end(), 0);
  std::stable_sort(order_.begin(), order_.end(), [&](std::int32_t a, std::int32_t b) {
    return frequency[static_cast<std::size_t>(a)] > frequency[static_cast<std::size_t>(b)];
  });
  std::vector<std::int32_t> position(columns);
  std::vector<std::int64_t> column_starts{0};
  column_starts.reserve(columns + 1);
  for (std::size_t p = 0; p < columns; ++p) {
    position[static_cast<std::size_t>(order_[p])] = static_cast<std::int32_t>(p);
    column_starts.push_back(column_starts.back() + frequency[static_cast<std::size_t>(order_[p])]);
  }

  // By columns through a counting sort, then back by rows: both sorted.
  const auto nonzeros = counts.column_ids.size();
  std::vector<std::int32_t> row_ids(nonzeros), position_ids(nonzeros), column_counts(nonzeros), row_counts(nonzeros);
  std::vector<std::int64_t> next(column_starts.begin(), column_starts.end() - 1);
  for (std::int64_t row = 0; row < counts.rows(); ++row) {
    for (std::int64_t k = counts.row_starts[static_cast<std::size_t>(row)];
         k < counts.row_starts[static_cast<std::size_t>(row) + 1]; ++k) {
      const auto p = static_cast<std::size_t>(position[static_cast<std::size_t>(counts.column_ids[static_cast<std::size_t>(k)])]);
      const auto to = static_cast<std::size_t>(next[p]++);
      row_ids[to] = static_cast<std::int32_t>(row);
      column_counts[to] = counts.counts[static_cast<std::size_t>(k)];
    }
  }
  next.assign(counts.row_starts.begin(), counts.row_starts.end() - 1);
  for (std::size_t p = 0; p < columns; ++p) {
    for (auto k = static_cast<std::size_t>(column_starts[p]); k < static_cast<std::size_t>(column_starts[p + 1]); ++k) {
      const auto to = static_cast<std::size_t>(next[static_cast<std::size_t>(row_ids[k])]++);
      position_ids[to] = static_cast<std::int32_t>(p);
      row_counts[to] = column_counts[k];
    }
  }
  by_row_ = Lines(counts.row_starts, position_ids, row_counts);
  by_column_ = Lines(column_starts, row_ids, column_counts);
}

}  // namespace attune
