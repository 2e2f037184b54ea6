// Summaries of a corpus of ids: a digest that two implementations can compare, and the distribution of lengths.
#pragma once

#include <cstdint>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "engine/io/sha256.h"

namespace attune {

/// SHA-256 over all rows in order of: their number of ids as uint32, then the ids as int32, all little-endian.
class IdDigest {
 public:
  void add(std::span<const std::int32_t> ids);
  std::string hex() { return sha256_.hex(); }

 private:
  Sha256 sha256_;
};

/// Lengths of the rows of a corpus.
class LengthReport {
 public:
  void add(std::size_t length) { lengths_.push_back(static_cast<std::int64_t>(length)); }

  std::int64_t rows() const { return static_cast<std::int64_t>(lengths_.size()); }
  std::int64_t total() const;
  std::int64_t longest() const;
  /// total / rows; 0 of no rows.
  double mean() const;
  /// Share of rows longer than `limit`; 0 of no rows.
  double share_over(std::int64_t limit) const;
  /// The length that `percent` % of the rows do not exceed (nearest rank). Throws Error of no rows.
  std::int64_t percentile(double percent) const;
  /// Counts, percentiles, shares over the usual limits, and a histogram of lengths.
  void print(std::ostream& out) const;

 private:
  std::vector<std::int64_t> lengths_;
};

}  // namespace attune
