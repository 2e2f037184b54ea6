// Temperatures and thresholds against searches that try everything.
#include "engine/train/calibration.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

using Doubles = std::vector<double>;
using Flags = std::vector<std::uint8_t>;
using End = TemperatureFit::End;

// Examples whose labels are drawn from the softmax, or the sigmoids, of their logits; the model has logits `scale` times
// as large.
struct Drawn {
  Tensor logits, labels;
};
Drawn draw_classes(std::int64_t examples, std::int64_t classes, double scale, unsigned seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(0, 1.5);
  Doubles logits;
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < examples; ++i) {
    Doubles shares;
    for (std::int64_t k = 0; k < classes; ++k) {
      const double z = normal(random);
      shares.push_back(std::exp(z));
      logits.push_back(scale * z);
    }
    labels.push_back(std::discrete_distribution<std::int32_t>(shares.begin(), shares.end())(random));
  }
  return {Tensor::from(logits, {examples, classes}), Tensor::from(labels, {examples})};
}
Drawn draw_labels(std::int64_t examples, std::int64_t width, double scale, unsigned seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(0, 1.5);
  Doubles logits;
  std::vector<float> labels;
  for (std::int64_t i = 0; i < examples * width; ++i) {
    const double z = normal(random);
    logits.push_back(scale * z);
    labels.push_back(std::bernoulli_distribution(1 / (1 + std::exp(-z)))(random) ? 1 : 0);
  }
  return {Tensor::from(logits, {examples, width}), Tensor::from(labels, {examples, width})};
}

double log_loss(const Task& task, const Drawn& data, double temperature) {
  for (const Measure& measure : with_fit(task, temperature)->measure(data.logits, data.labels))
    if (measure.name == "log_loss") return measure.value;
  ADD_FAILURE() << "no log-loss";
  return 0;
}

// By golden section over the whole range.
double searched_temperature(const Task& task, const Drawn& data) {
  const double ratio = (std::sqrt(5.0) - 1) / 2;
  double low = std::log(kMinTemperature), high = std::log(kMaxTemperature);
  for (int i = 0; i < 60; ++i) {
    const double left = high - ratio * (high - low), right = low + ratio * (high - low);
    if (log_loss(task, data, std::exp(left)) < log_loss(task, data, std::exp(right)))
      high = right;
    else
      low = left;
  }
  return std::exp((low + high) / 2);
}

TEST(Temperature, HasTheSmallestLogLoss) {
  for (const double scale : {0.2, 1.0, 3.0, 15.0}) {
    for (const auto& [type, data] : {std::pair{kSingleLabel, draw_classes(400, 4, scale, 1)},
                                     std::pair{kMultiLabel, draw_labels(300, 3, scale, 2)}}) {
      const auto task = make_task(type, {.outputs = data.logits.shape()[1]});
      const TemperatureFit fit = fit_temperature(*task, data.logits, data.labels);
      SCOPED_TRACE(std::string(type) + " " + std::to_string(scale));
      EXPECT_EQ(fit.end, End::kMinimum);
      // The loss is flat at its minimum: a search by its values finds half of the digits.
      EXPECT_NEAR(fit.temperature / searched_temperature(*task, data), 1, 1e-6);
      EXPECT_NEAR(fit.temperature / scale, 1, 0.3) << "the logits are that much too large";
      const double least = log_loss(*task, data, fit.temperature);
      for (const double other : {0.99, 1.01}) EXPECT_LT(least, log_loss(*task, data, other * fit.temperature)) << other;
    }
  }
}

TEST(Temperature, DoesNotDependOnTheSizeOfTheLogits) {
  const Drawn data = draw_classes(200, 3, 1, 7);
  const auto task = make_task(kSingleLabel, {.outputs = 3});
  const double once = fit_temperature(*task, data.logits, data.labels).temperature;
  for (const double factor : {0.25, 8.0}) {
    Doubles larger(data.logits.values<double>().begin(), data.logits.values<double>().end());
    for (double& z : larger) z *= factor;
    EXPECT_NEAR(fit_temperature(*task, Tensor::from(larger, data.logits.shape()), data.labels).temperature,
                factor * once, 1e-10 * factor);
  }
}

TEST(Temperature, OfDataWithoutAMinimumIsAtTheBound) {
  const auto classes = make_task(kSingleLabel, {.outputs = 2}), labels = make_task(kMultiLabel, {.outputs = 1});
  const Tensor of_classes = Tensor::from(std::vector<std::int32_t>{0, 1, 1}, {3}),
               of_labels = Tensor::from(std::vector<float>{1, 0, 0}, {3, 1});
  const auto fit = [&](double a, double b, double c) {
    const TemperatureFit one = fit_temperature(*classes, Tensor::from(Doubles{a, 0, b, 0, c, 0}, {3, 2}), of_classes);
    const TemperatureFit other = fit_temperature(*labels, Tensor::from(Doubles{a, b, c}, {3, 1}), of_labels);
    EXPECT_EQ(one.end, other.end);
    EXPECT_NEAR(one.temperature, other.temperature, 1e-9);
    return one;
  };
  for (const double size : {1e-3, 1.0, 100.0}) {
    SCOPED_TRACE(size);
    const TemperatureFit separated = fit(2 * size, -size, -3 * size);
    EXPECT_EQ(separated.end, End::kAtMin);
    EXPECT_EQ(separated.temperature, kMinTemperature);
    const TemperatureFit wrong = fit(-2 * size, size, 3 * size);
    EXPECT_EQ(wrong.end, End::kAtMax);
    EXPECT_EQ(wrong.temperature, kMaxTemperature);
  }
  // So sure at every temperature that no double shows a difference.
  EXPECT_EQ(fit(1e7, -1e7, -1e7).temperature, 1);
  EXPECT_EQ(fit(0, 0, 0).end, End::kConstant);
  EXPECT_EQ(fit(0, 0, 0).temperature, 1);
}

TEST(Temperature, OfOneClassAlone) {
  const auto task = make_task(kSingleLabel, {.outputs = 2});
  const Tensor labels = Tensor::from(std::vector<std::int32_t>{0, 0, 0}, {3});
  EXPECT_EQ(fit_temperature(*task, Tensor::from(Doubles{3, 0, 1, 0, 2, 0}, {3, 2}), labels).end, End::kAtMin);
  const TemperatureFit mixed = fit_temperature(*task, Tensor::from(Doubles{3, 0, -1, 0, 2, 0}, {3, 2}), labels);
  EXPECT_EQ(mixed.end, End::kMinimum);
  EXPECT_GT(mixed.temperature, 0);
}

TEST(Temperature, WhatHasNone) {
  const auto classes = make_task(kSingleLabel, {}), numbers = make_task(kRegression, {.outputs = 1});
  EXPECT_EQ(message_of([&] {
              fit_temperature(*classes, Tensor::zeros({0, 2}, DType::kFloat64), Tensor::zeros({0}, DType::kInt32));
            }),
            "a temperature needs at least one example");
  EXPECT_EQ(message_of([&] {
              fit_temperature(*numbers, Tensor::zeros({1, 1}, DType::kFloat64), Tensor::zeros({1, 1}, DType::kFloat32));
            }),
            "numbers have no probabilities that a temperature could change");
}

// By trying the middle of every two neighbours, with a count over all examples for each.
Threshold searched_threshold(const Doubles& probabilities, const Flags& positive) {
  Doubles edges = probabilities;
  edges.insert(edges.end(), {0, 1});
  std::ranges::sort(edges);
  Threshold best{0.5, -1};
  for (std::size_t e = 0; e + 1 < edges.size(); ++e) {
    if (edges[e] == edges[e + 1]) continue;
    const double value = (edges[e] + edges[e + 1]) / 2;
    double right = 0, wrong = 0, missed = 0;
    for (std::size_t i = 0; i < positive.size(); ++i) {
      right += probabilities[i] > value && positive[i] != 0 ? 1 : 0;
      wrong += probabilities[i] > value && positive[i] == 0 ? 1 : 0;
      missed += probabilities[i] <= value && positive[i] != 0 ? 1 : 0;
    }
    const double f1 = 2 * right / (2 * right + wrong + missed);
    const bool nearer = std::abs(value - 0.5) < std::abs(best.value - 0.5);
    if (f1 > best.f1 || (f1 == best.f1 && nearer)) best = {value, f1};
  }
  return best;
}

TEST(Thresholds, HaveTheBestF1OfAll) {
  std::mt19937_64 random(11);
  int chosen_twice = 0;
  for (int round = 0; round < 300; ++round) {
    const std::size_t size = 1 + random() % 24;
    const double levels = round % 3 == 0 ? 5 : 1000;  // few: many are equal
    Doubles probabilities;
    Flags positive;
    for (std::size_t i = 0; i < size; ++i) {
      probabilities.push_back(static_cast<double>(random() % static_cast<std::uint64_t>(levels + 1)) / levels);
      positive.push_back(random() % 3 == 0 ? 1 : 0);
    }
    if (std::ranges::count(positive, 1) == 0) positive[0] = 1;
    const Threshold found = best_f1_threshold(probabilities, positive),
                    naive = searched_threshold(probabilities, positive);
    ASSERT_EQ(found.f1, naive.f1) << "round " << round;
    ASSERT_EQ(found.value, naive.value) << "round " << round;
    chosen_twice += found.value != 0.5 ? 1 : 0;
  }
  EXPECT_GT(chosen_twice, 250);
}

TEST(Thresholds, MoveWithTheTemperature) {
  for (const double threshold : {1e-9, 0.2, 0.5, 0.9})
    for (const double temperature : {0.3, 1.0, 4.0}) {
      const double z = std::log(threshold / (1 - threshold)), moved = moved_threshold(threshold, 1, temperature);
      EXPECT_NEAR(std::log(moved / (1 - moved)), z / temperature, 1e-9);
      EXPECT_NEAR(moved_threshold(moved, temperature, 1) / threshold, 1, 1e-9);
    }
  EXPECT_EQ(moved_threshold(0.5, 0.7, 3), 0.5);
  EXPECT_LT(moved_threshold(0.99, 20, 0.05), 1);
  EXPECT_GT(moved_threshold(0.01, 20, 0.05), 0);
}

TEST(Thresholds, OfSpecialProbabilities) {
  EXPECT_EQ(best_f1_threshold(Doubles{0.1, 0.9}, Flags{0, 0}).value, 0.5) << "no positives";
  EXPECT_EQ(best_f1_threshold({}, {}).value, 0.5);
  EXPECT_EQ(best_f1_threshold(Doubles{0.1, 0.4}, Flags{0, 1}).value, 0.25);
  EXPECT_EQ(best_f1_threshold(Doubles{0.4, 0.4}, Flags{0, 1}).value, 0.2) << "all are above it, none would be F1 0";
  EXPECT_EQ(best_f1_threshold(Doubles{0, 0}, Flags{0, 1}).f1, 0) << "no threshold above 0 predicts them";
  // Neighbours as numbers: the middle is one of them, and the larger probability must stay above it.
  const double low = 0.7, high = std::nextafter(low, 1.0);
  EXPECT_EQ(best_f1_threshold(Doubles{low, high}, Flags{0, 1}).value, low);
  EXPECT_EQ(best_f1_threshold(Doubles{std::nextafter(1.0, 0.0), 1}, Flags{0, 1}).value, std::nextafter(1.0, 0.0));
  // Two thresholds are as good and as far from 0.5: the lower one.
  EXPECT_EQ(best_f1_threshold(Doubles{0.9, 0.5, 0.1, 0.1}, Flags{1, 0, 0, 1}).value, 0.7);
  EXPECT_EQ(message_of([] { best_f1_threshold(Doubles{0.5}, {}); }), "1 probabilities for 0 labels");
}

}  // namespace
}  // namespace attune::testing
