#include "models/linear/design_matrix.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "base/parallel.h"

namespace attune {
namespace {

constexpr int kBlockBits = 16;
constexpr std::int64_t kPieceWork = 1 << 16;  // indices per piece: about 50 microseconds
constexpr std::int64_t kLineWork = 8;         // cost of a line in addition to its indices

}  // namespace

DesignMatrix::Lines::Lines(std::span<const std::int64_t> starts, std::span<const std::int32_t> ids,
                           std::span<const std::int32_t> counts, std::int64_t width)
    : lines_(static_cast<std::int64_t>(starts.size()) - 1),
      blocks_(static_cast<std::size_t>(((width - 1) >> kBlockBits) + 1)) {
  std::int64_t work = 0;
  for (std::size_t i = 0; i + 1 < starts.size(); ++i) {
    for (auto k = static_cast<std::size_t>(starts[i]); k < static_cast<std::size_t>(starts[i + 1]); ++k) {
      Block& block = blocks_[static_cast<std::size_t>(ids[k] >> kBlockBits)];
      const auto id = static_cast<std::uint16_t>(ids[k] & ((1 << kBlockBits) - 1));
      if (counts[k] == 1) {
        block.one_ids.push_back(id);
      } else {
        block.more_ids.push_back(id);
        block.more_counts.push_back(counts[k]);
      }
    }
    for (Block& block : blocks_)
      block.starts.push_back(
          {static_cast<std::int64_t>(block.one_ids.size()), static_cast<std::int64_t>(block.more_ids.size())});
    work += starts[i + 1] - starts[i] + kLineWork;
    if (work >= kPieceWork || i + 2 == starts.size()) {
      cuts_.push_back(static_cast<std::int64_t>(i) + 1);
      work = 0;
    }
  }
}

// Independent partial sums hide the latency of the additions.
inline double DesignMatrix::Lines::Block::product(const double* v, std::size_t line) const {
  double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  const std::uint16_t* id = one_ids.data() + starts[line].one;
  const std::uint16_t* end = one_ids.data() + starts[line + 1].one;
  for (; id + 4 <= end; id += 4) {
    s0 += v[id[0]];
    s1 += v[id[1]];
    s2 += v[id[2]];
    s3 += v[id[3]];
  }
  for (; id < end; ++id) s0 += v[*id];
  id = more_ids.data() + starts[line].more;
  end = more_ids.data() + starts[line + 1].more;
  const std::int32_t* count = more_counts.data() + starts[line].more;
  for (; id + 2 <= end; id += 2, count += 2) {
    s1 += count[0] * v[id[0]];
    s2 += count[1] * v[id[1]];
  }
  if (id < end) s3 += *count * v[*id];
  return (s0 + s1) + (s2 + s3);
}

// kSquared: with the squares of the counts.
template <bool kSquared>
void DesignMatrix::Lines::Block::add_product(const double* v, int outputs, std::size_t line, double* sum) const {
  for (std::int64_t k = starts[line].one; k < starts[line + 1].one; ++k) {
    const double* row = v + static_cast<std::ptrdiff_t>(one_ids[static_cast<std::size_t>(k)]) * outputs;
    for (int o = 0; o < outputs; ++o) sum[o] += row[o];
  }
  for (std::int64_t k = starts[line].more; k < starts[line + 1].more; ++k) {
    const double* row = v + static_cast<std::ptrdiff_t>(more_ids[static_cast<std::size_t>(k)]) * outputs;
    const double count = more_counts[static_cast<std::size_t>(k)];
    for (int o = 0; o < outputs; ++o) sum[o] += (kSquared ? count * count : count) * row[o];
  }
}

template <class PerLine>
void DesignMatrix::Lines::for_each_line(PerLine&& per_line) const {
  parallel_for(static_cast<std::int64_t>(cuts_.size()) - 1, 1, [&](std::int64_t piece, std::int64_t) {
    const auto at = static_cast<std::size_t>(piece);
    for (std::int64_t i = cuts_[at]; i < cuts_[at + 1]; ++i) per_line(static_cast<std::size_t>(i));
  });
}

template <bool kSquared>
void DesignMatrix::Lines::gather_many(const double* v, int outputs, double* out) const {
  for_each_line([&](std::size_t i) {
    double* sum = out + i * static_cast<std::size_t>(outputs);
    std::fill(sum, sum + outputs, 0.0);
    for (std::size_t b = 0; b < blocks_.size(); ++b)
      blocks_[b].add_product<kSquared>(v + (b << kBlockBits) * static_cast<std::size_t>(outputs), outputs, i, sum);
  });
}

void DesignMatrix::Lines::gather(const double* v, int outputs, double* out) const {
  if (outputs > 1) return gather_many<false>(v, outputs, out);
  for_each_line([&](std::size_t i) {
    double sum = 0;
    for (std::size_t b = 0; b < blocks_.size(); ++b) sum += blocks_[b].product(v + (b << kBlockBits), i);
    out[i] = sum;
  });
}

void DesignMatrix::Lines::gather_squares(const double* v, int outputs, double* out) const {
  gather_many<true>(v, outputs, out);
}

DesignMatrix::DesignMatrix(const CountMatrix& counts) {
  CHECK(counts.rows() <= std::numeric_limits<std::int32_t>::max(),
        "logistic regression: too many rows: ", counts.rows());
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
      const auto p =
          static_cast<std::size_t>(position[static_cast<std::size_t>(counts.column_ids[static_cast<std::size_t>(k)])]);
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
  by_row_ = Lines(counts.row_starts, position_ids, row_counts, counts.columns);
  by_column_ = Lines(column_starts, row_ids, column_counts, counts.rows());
}

}  // namespace attune
