#include "engine/train/calibration.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "base/check.h"
#include "engine/train/measures.h"

namespace attune {
namespace {

constexpr double kLogTolerance = 1e-13;  // of log T: below it, digits of T no longer change
constexpr int kMaxSteps = 200;           // 44 halvings of the range come below the tolerance

// The first two derivatives of the summed loss by the inverse temperature.
struct Slope {
  double first = 0, second = 0;
};

// -log softmax(inverse z)[label]. The first derivative is the mean of z under the softmax less z[label], the second is
// its variance.
Slope slope_of_classes(const Tensor& logits, std::span<const std::int32_t> labels, double inverse) {
  const auto classes = static_cast<std::size_t>(logits.shape()[1]);
  Slope out;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto row = logits.values<double>().subspan(i * classes, classes);
    const double largest = *std::ranges::max_element(row);
    // Relative to the largest, so that sums lose no digits.
    double sum = 0, mean = 0, square = 0;
    for (const double z : row) {
      const double below = z - largest, share = std::exp(inverse * below);
      sum += share;
      mean += share * below;
      square += share * below * below;
    }
    mean /= sum;
    out.first += mean - (row[static_cast<std::size_t>(labels[i])] - largest);
    out.second += square / sum - mean * mean;
  }
  return out;
}

// log(1 + exp(-inverse z)) of a label that is there, log(1 + exp(inverse z)) of one that is not.
Slope slope_of_labels(const Tensor& logits, std::span<const float> labels, double inverse) {
  Slope out;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const double z = logits.values<double>()[i], p = measures::sigmoid(inverse * z);
    // 1 - p is computed without cancellation.
    out.first += labels[i] != 0 ? -z * measures::sigmoid(-inverse * z) : z * p;
    out.second += z * z * p * measures::sigmoid(-inverse * z);
  }
  return out;
}

// The zero of a slope that grows with the inverse temperature.
TemperatureFit find_zero(const std::function<Slope(double inverse)>& slope) {
  using End = TemperatureFit::End;
  double low = std::log(1 / kMaxTemperature), high = std::log(1 / kMinTemperature);  // log of the inverse
  const double at_low = slope(std::exp(low)).first, at_high = slope(std::exp(high)).first;
  if (at_low == 0 && at_high == 0) return {1, End::kConstant};
  if (at_high <= 0) return {kMinTemperature, End::kAtMin};
  if (at_low >= 0) return {kMaxTemperature, End::kAtMax};
  double at = 0;
  for (int step = 0; step < kMaxSteps && high - low > kLogTolerance; ++step) {
    const double inverse = std::exp(at);
    const Slope here = slope(inverse);
    if (here.first == 0) break;
    (here.first < 0 ? low : high) = at;
    const double newton = at - here.first / (here.second * inverse);
    const double next = newton > low && newton < high ? newton : low + (high - low) / 2;
    const bool done = std::abs(next - at) <= kLogTolerance;
    at = next;
    if (done) break;
  }
  return {std::exp(-at), End::kMinimum};
}

double f1_of(double positives_above, double above, double positives) {
  return 2 * positives_above / (above + positives);
}

}  // namespace

TemperatureFit fit_temperature(const Task& task, const Tensor& logits, const Tensor& labels) {
  CHECK(logits.shape()[0] > 0, "a temperature needs at least one example");
  CHECK(task.target() != Target::kNumbers, "numbers have no probabilities that a temperature could change");
  const Tensor exact = logits.cast(DType::kFloat64);
  if (task.target() == Target::kClass)
    return find_zero([&](double inverse) { return slope_of_classes(exact, labels.values<std::int32_t>(), inverse); });
  return find_zero([&](double inverse) { return slope_of_labels(exact, labels.values<float>(), inverse); });
}

Threshold best_f1_threshold(std::span<const double> probabilities, std::span<const std::uint8_t> positive) {
  CHECK(probabilities.size() == positive.size(), probabilities.size(), " probabilities for ", positive.size(),
        " labels");
  const auto positives = static_cast<double>(std::ranges::count_if(positive, [](auto flag) { return flag != 0; }));
  if (positives == 0) return {};
  std::vector<std::size_t> order(probabilities.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, std::greater(), [&](std::size_t i) { return probabilities[i]; });
  Threshold best{0.5, -1};
  // `above`: those of larger probability than the threshold.
  const auto offer = [&](double smaller, double larger, double positives_above, double above) {
    double value = (smaller + larger) / 2;
    if (value >= larger) value = smaller;  // they are neighbours as numbers too
    if (!(value > 0 && value < 1)) return;
    const double f1 = f1_of(positives_above, above, positives);
    const auto distance = [](double x) { return std::abs(x - 0.5); };
    if (f1 > best.f1 || (f1 == best.f1 && distance(value) <= distance(best.value))) best = {value, f1};
  };
  double larger = 1, above = 0, positives_above = 0;
  for (const std::size_t i : order) {
    if (probabilities[i] < larger) offer(probabilities[i], larger, positives_above, above);
    larger = probabilities[i];
    ++above;
    positives_above += positive[i] != 0 ? 1 : 0;
  }
  offer(0, larger, positives_above, above);
  return best;
}

double moved_threshold(double threshold, double from_temperature, double to_temperature) {
  const double logit = std::log(threshold / (1 - threshold)) * from_temperature / to_temperature;
  const double largest = std::nextafter(1.0, 0.0);
  return std::clamp(measures::sigmoid(logit), std::numeric_limits<double>::min(), largest);
}

std::unique_ptr<Task> with_fit(const Task& task, double temperature, std::vector<double> thresholds) {
  TaskOptions options = task.options();
  options.temperature = temperature;
  if (!thresholds.empty()) options.thresholds = std::move(thresholds);
  return make_task(task.problem_type(), options);
}

}  // namespace attune
