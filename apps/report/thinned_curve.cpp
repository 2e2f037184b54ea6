#include "apps/report/thinned_curve.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace attune {
namespace {

void join_into(ThinnedCurve::Bucket& bucket, const ThinnedCurve::Bucket& later) {
  bucket.count += later.count;
  bucket.sum += later.sum;
  if (later.min.value < bucket.min.value) bucket.min = later.min;
  if (later.max.value > bucket.max.value) bucket.max = later.max;
}

}  // namespace

ThinnedCurve::ThinnedCurve(std::int64_t width, std::vector<Bucket> buckets)
    : width_(width), buckets_(std::move(buckets)) {
  CHECK(width >= 1 && buckets_.size() <= kMaxBuckets, "there is no curve of ", buckets_.size(), " buckets of ", width);
  std::int64_t before = -1;
  for (const Bucket& bucket : buckets_) {
    const auto inside = [&](const Sample& sample) {
      return sample.step >= 0 && sample.step / width == bucket.index && std::isfinite(sample.value);
    };
    CHECK(bucket.index > before && bucket.count > 0 && std::isfinite(bucket.sum) && inside(bucket.min) &&
              inside(bucket.max),
          "the bucket ", bucket.index, " is not one of a curve");
    before = bucket.index;
  }
}

void ThinnedCurve::add(std::int64_t step, double value) {
  if (!std::isfinite(value) || step < 0) return;
  const Sample sample{step, value};
  const Bucket added{step / width_, 1, value, sample, sample};
  if (!buckets_.empty() && buckets_.back().index > added.index) return;
  if (!buckets_.empty() && buckets_.back().index == added.index)
    join_into(buckets_.back(), added);
  else
    buckets_.push_back(added);
  while (buckets_.size() > kMaxBuckets) widen();
}

void ThinnedCurve::widen() {
  width_ *= 2;
  std::vector<Bucket> out;
  for (Bucket& bucket : buckets_) {
    bucket.index /= 2;
    if (!out.empty() && out.back().index == bucket.index)
      join_into(out.back(), bucket);
    else
      out.push_back(bucket);
  }
  buckets_ = std::move(out);
}

std::vector<CurvePoint> thinned(const std::vector<CurvePoint>& points, std::size_t buckets) {
  if (points.size() <= 2 * buckets) return points;
  const double first = points.front().x, width = points.back().x - first;
  const auto bucket_of = [&](const CurvePoint& point) {
    const double place = width > 0 ? (point.x - first) / width : 0;
    return std::min(static_cast<std::size_t>(place * static_cast<double>(buckets)), buckets - 1);
  };
  std::vector<CurvePoint> out = {points.front()};
  for (std::size_t begin = 1, end = 1; begin + 1 < points.size(); begin = end) {
    std::size_t lowest = begin, highest = begin;
    for (end = begin; end + 1 < points.size() && bucket_of(points[end]) == bucket_of(points[begin]); ++end) {
      if (points[end].y < points[lowest].y) lowest = end;
      if (points[end].y > points[highest].y) highest = end;
    }
    out.push_back(points[std::min(lowest, highest)]);
    if (lowest != highest) out.push_back(points[std::max(lowest, highest)]);
  }
  out.push_back(points.back());
  return out;
}

}  // namespace attune
