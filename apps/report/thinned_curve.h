// A curve of any number of steps in bounded memory: steps are put into buckets of equal width. Each bucket keeps its
// smallest and its largest value with their steps, and the mean. When there are too many buckets, their width doubles.
//
// The result depends on the values alone, and not on when they came: a curve that is restored goes on as if it had not
// been interrupted. Values that are not finite are left out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace attune {

class ThinnedCurve {
 public:
  static constexpr std::size_t kMaxBuckets = 256;

  struct Sample {
    std::int64_t step = 0;
    double value = 0;
  };
  struct Bucket {
    std::int64_t index = 0;  // it has the steps index * width() .. (index + 1) * width() - 1
    std::int64_t count = 0;
    double sum = 0;
    Sample min, max;  // the first of equal ones

    double mean() const { return sum / static_cast<double>(count); }
  };

  ThinnedCurve() = default;
  /// Continues from width() and buckets(). Throws Error if they are not those of a curve.
  ThinnedCurve(std::int64_t width, std::vector<Bucket> buckets);

  /// The value of a step from 0 on. One that comes after later steps may be left out.
  void add(std::int64_t step, double value);

  std::int64_t width() const { return width_; }
  const std::vector<Bucket>& buckets() const { return buckets_; }

 private:
  void widen();

  std::int64_t width_ = 1;  // a power of two
  std::vector<Bucket> buckets_;
};

/// A curve of points whose x does not fall: at most 2 * `buckets` + 2 of them. These are the first and the last point,
/// and of each of equal parts of the x axis the lowest and the highest.
struct CurvePoint {
  double x, y;
  double at = 0;  // what else belongs to the point: the threshold of a precision and a recall
};
std::vector<CurvePoint> thinned(const std::vector<CurvePoint>& points, std::size_t buckets);

}  // namespace attune
