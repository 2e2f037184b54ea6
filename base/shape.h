// The shape of a tensor: the sizes of up to four dimensions, outermost first, row-major.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <string>

#include "base/check.h"

namespace attune {

class Shape {
 public:
  static constexpr int kMaxRank = 4;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> sizes) {
    for (std::int64_t size : sizes) append(size);
  }

  /// Adds an innermost dimension. Throws Error beyond kMaxRank or below zero.
  void append(std::int64_t size) {
    CHECK(rank_ < kMaxRank, "a shape has at most ", kMaxRank, " dimensions");
    CHECK(size >= 0, "a shape has no negative extent: ", size);
    sizes_[static_cast<std::size_t>(rank_++)] = size;
  }

  int rank() const { return rank_; }
  /// Size of dimension i; negative i counts from the innermost (-1).
  std::int64_t operator[](int i) const {
    const int at = i < 0 ? i + rank_ : i;
    CHECK(at >= 0 && at < rank_, "shape ", str(), " has no dimension ", i);
    return sizes_[static_cast<std::size_t>(at)];
  }
  /// Number of elements; 1 for a scalar (rank 0).
  std::int64_t numel() const {
    std::int64_t n = 1;
    for (int i = 0; i < rank_; ++i) n *= sizes_[static_cast<std::size_t>(i)];
    return n;
  }
  /// The shape with `rows` as its outermost dimension.
  Shape with_rows(std::int64_t rows) const {
    Shape out{rows};
    for (int i = 1; i < rank_; ++i) out.append((*this)[i]);
    return out;
  }
  /// "[8, 256, 768]".
  std::string str() const {
    std::string out = "[";
    for (int i = 0; i < rank_; ++i) out += (i == 0 ? "" : ", ") + std::to_string(sizes_[static_cast<std::size_t>(i)]);
    return out + "]";
  }

  friend bool operator==(const Shape& a, const Shape& b) {
    if (a.rank_ != b.rank_) return false;
    for (std::size_t i = 0; i < static_cast<std::size_t>(a.rank_); ++i)
      if (a.sizes_[i] != b.sizes_[i]) return false;
    return true;
  }
  friend std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << shape.str(); }

 private:
  std::array<std::int64_t, kMaxRank> sizes_{};
  int rank_ = 0;
};

}  // namespace attune
