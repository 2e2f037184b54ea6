// Curves in bounded memory: extremes stay, and the mean is right.
#include "apps/report/thinned_curve.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace attune {
namespace {

double wave(std::int64_t step) {
  return std::sin(static_cast<double>(step) * 0.7) / static_cast<double>(step + 1) + (step == 777 ? 50.0 : 0.0);
}

TEST(ThinnedCurves, OfFewStepsHaveThemAll) {
  ThinnedCurve curve;
  for (std::int64_t step = 0; step < 256; ++step) curve.add(step, wave(step));
  EXPECT_EQ(curve.width(), 1);
  ASSERT_EQ(curve.buckets().size(), 256u);
  EXPECT_EQ(curve.buckets()[7].min.value, wave(7));
  EXPECT_EQ(curve.buckets()[7].mean(), wave(7));
}

TEST(ThinnedCurves, KeepTheExtremesOfEachBucket) {
  ThinnedCurve curve;
  constexpr std::int64_t kSteps = 10000;
  for (std::int64_t step = 0; step < kSteps; ++step) curve.add(step, wave(step));
  EXPECT_EQ(curve.width(), 64);
  std::int64_t count = 0;
  for (const ThinnedCurve::Bucket& bucket : curve.buckets()) {
    const std::int64_t first = bucket.index * curve.width(), end = std::min(first + curve.width(), kSteps);
    std::int64_t lowest = first, highest = first;
    double sum = 0;
    for (std::int64_t step = first; step < end; ++step) {
      if (wave(step) < wave(lowest)) lowest = step;
      if (wave(step) > wave(highest)) highest = step;
      sum += wave(step);
    }
    EXPECT_EQ(bucket.min.step, lowest);
    EXPECT_EQ(bucket.max.step, highest);
    EXPECT_EQ(bucket.max.value, wave(highest));
    EXPECT_NEAR(bucket.mean(), sum / static_cast<double>(end - first), 1e-12);
    count += bucket.count;
  }
  EXPECT_EQ(count, kSteps);
  EXPECT_LE(curve.buckets().size(), ThinnedCurve::kMaxBuckets);
}

TEST(ThinnedCurves, OfSparseAndLargeSteps) {
  ThinnedCurve curve;
  for (std::int64_t i = 0; i < 300; ++i) curve.add(i * 50, static_cast<double>(i));
  EXPECT_LE(curve.buckets().size(), ThinnedCurve::kMaxBuckets);
  EXPECT_EQ(curve.buckets().back().max.value, 299);
  curve.add(std::numeric_limits<std::int64_t>::max() / 4, -1);
  EXPECT_EQ(curve.buckets().back().min.value, -1);
  const std::size_t buckets = curve.buckets().size();
  curve.add(3, 0);
  EXPECT_EQ(curve.buckets().size(), buckets) << "it comes too late";
}

TEST(ThinnedCurves, LeaveOutWhatIsNotFinite) {
  ThinnedCurve curve;
  curve.add(0, std::numeric_limits<double>::quiet_NaN());
  curve.add(1, -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(curve.buckets().empty());
  curve.add(2, 1);
  EXPECT_EQ(curve.buckets().size(), 1u);
}

TEST(ThinnedPoints, KeepEndsAndExtremes) {
  std::vector<CurvePoint> points;
  std::mt19937 random(3);
  for (int i = 0; i < 5000; ++i) points.push_back({i / 4999.0, std::uniform_real_distribution<>(0, 1)(random)});
  points[1234].y = 7;
  points[4321].y = -7;
  const std::vector<CurvePoint> few = thinned(points, 50);
  EXPECT_LE(few.size(), 102u);
  EXPECT_EQ(few.front().y, points.front().y);
  EXPECT_EQ(few.back().y, points.back().y);
  EXPECT_TRUE(std::ranges::is_sorted(few, {}, &CurvePoint::x));
  const auto [low, high] = std::ranges::minmax(few, {}, &CurvePoint::y);
  EXPECT_EQ(low.y, -7);
  EXPECT_EQ(high.y, 7);
  EXPECT_EQ(thinned({{0, 1}, {1, 2}}, 50).size(), 2u);
  EXPECT_EQ(thinned({}, 50).size(), 0u);
  const std::vector<CurvePoint> upright(500, {1, 2});
  EXPECT_LE(thinned(upright, 50).size(), 102u) << "all points have one x";
}

}  // namespace
}  // namespace attune
