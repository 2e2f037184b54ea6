#include "engine/train/measures.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "base/check.h"

namespace attune::measures {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

double share(double part, double whole) {
  return whole == 0 ? 0 : part / whole;
}

double mean(std::span<const double> x) {
  return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
}

bool constant(std::span<const double> x) {
  return std::ranges::adjacent_find(x, std::not_equal_to<>()) == x.end();
}

// Calls `visit` with the index of every example of each group of equal scores, from the largest score on.
void for_equal_scores(std::span<const double> scores,
                      const std::function<void(std::span<const std::size_t> group)>& visit) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && scores[order[end]] == scores[order[begin]]) ++end;
    visit(std::span(order).subspan(begin, end - begin));
  }
}

// The rank of each value, from 1 on; equal ones share the mean of their ranks.
std::vector<double> ranks(std::span<const double> x) {
  std::vector<double> out(x.size());
  auto above = static_cast<double>(x.size());
  for_equal_scores(x, [&](std::span<const std::size_t> group) {
    const auto size = static_cast<double>(group.size());
    for (const std::size_t i : group) out[i] = above - (size - 1) / 2;
    above -= size;
  });
  return out;
}

// Predictions in bins of their probability of being right.
class CalibrationBins {
 public:
  void add(double probability, bool right) { surplus_[calibration_bin(probability)] += probability - (right ? 1 : 0); }
  /// The sum over the bins of |probabilities - right ones|.
  double error() const {
    double sum = 0;
    for (const double s : surplus_) sum += std::abs(s);
    return sum;
  }

 private:
  std::array<double, kCalibrationBins> surplus_ = {};  // probabilities less right ones, summed
};

void check_sizes(std::size_t predictions, std::size_t labels) {
  CHECK(predictions == labels, predictions, " predictions for ", labels, " labels");
}

}  // namespace

std::vector<std::int32_t> argmax_rows(const Tensor& logits) {
  const std::int64_t rows = logits.shape()[0], classes = logits.shape()[1];
  std::vector<std::int32_t> out;
  dispatch_float(logits.dtype(), "argmax", [&]<class T>() {
    const T* z = logits.values<T>().data();
    for (std::int64_t b = 0; b < rows; ++b, z += classes)
      out.push_back(static_cast<std::int32_t>(std::max_element(z, z + classes) - z));
  });
  return out;
}

std::vector<double> softmax_rows(const Tensor& logits) {
  const Tensor exact = logits.cast(DType::kFloat64);
  std::vector<double> out(exact.values<double>().begin(), exact.values<double>().end());
  const auto classes = static_cast<std::size_t>(logits.shape()[1]);
  for (std::size_t at = 0; at < out.size(); at += classes) {
    const std::span<double> row(out.data() + at, classes);
    const double largest = *std::ranges::max_element(row);
    for (double& z : row) z = std::exp(z - largest);
    const double sum = std::accumulate(row.begin(), row.end(), 0.0);
    for (double& p : row) p /= sum;
  }
  return out;
}

double sigmoid(double z) {
  return 1 / (1 + std::exp(-z));
}

std::size_t calibration_bin(double probability) {
  const auto bin = static_cast<std::size_t>(std::max(std::ceil(probability * kCalibrationBins) - 1, 0.0));
  return std::min(bin, kCalibrationBins - 1);
}

double Counts::precision() const {
  return share(static_cast<double>(true_positives), static_cast<double>(true_positives + false_positives));
}
double Counts::recall() const {
  return share(static_cast<double>(true_positives), static_cast<double>(support()));
}
double Counts::f1() const {
  return share(2.0 * static_cast<double>(true_positives),
               static_cast<double>(2 * true_positives + false_positives + false_negatives));
}

std::vector<Counts> class_counts(std::span<const std::int32_t> predicted, std::span<const std::int32_t> labels,
                                 std::int64_t classes) {
  check_sizes(predicted.size(), labels.size());
  std::vector<Counts> out(static_cast<std::size_t>(classes));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    Counts &of_label = out.at(static_cast<std::size_t>(labels[i])),
           &of_prediction = out.at(static_cast<std::size_t>(predicted[i]));
    if (predicted[i] == labels[i]) {
      ++of_label.true_positives;
    } else {
      ++of_label.false_negatives;
      ++of_prediction.false_positives;
    }
  }
  return out;
}

std::vector<std::int64_t> confusion_matrix(std::span<const std::int32_t> predicted,
                                           std::span<const std::int32_t> labels, std::int64_t classes) {
  check_sizes(predicted.size(), labels.size());
  std::vector<std::int64_t> out(static_cast<std::size_t>(classes * classes));
  for (std::size_t i = 0; i < labels.size(); ++i)
    ++out.at(static_cast<std::size_t>(labels[i] * classes + predicted[i]));
  return out;
}

std::vector<Counts> label_counts(std::span<const std::uint8_t> predicted, std::span<const std::uint8_t> labels,
                                 std::int64_t width) {
  check_sizes(predicted.size(), labels.size());
  std::vector<Counts> out(static_cast<std::size_t>(width));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    Counts& counts = out[i % out.size()];
    if (labels[i] != 0)
      ++(predicted[i] != 0 ? counts.true_positives : counts.false_negatives);
    else
      counts.false_positives += predicted[i];
  }
  return out;
}

double f1_macro(std::span<const Counts> counts) {
  double sum = 0;
  for (const Counts& c : counts) sum += c.f1();
  return share(sum, static_cast<double>(counts.size()));
}

double f1_micro(std::span<const Counts> counts) {
  Counts all;
  for (const Counts& c : counts) {
    all.true_positives += c.true_positives;
    all.false_positives += c.false_positives;
    all.false_negatives += c.false_negatives;
  }
  return all.f1();
}

double f1_weighted(std::span<const Counts> counts) {
  double sum = 0, weights = 0;
  for (const Counts& c : counts) {
    sum += static_cast<double>(c.support()) * c.f1();
    weights += static_cast<double>(c.support());
  }
  return share(sum, weights);
}

double accuracy(std::span<const std::int32_t> predicted, std::span<const std::int32_t> labels) {
  check_sizes(predicted.size(), labels.size());
  std::int64_t correct = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) correct += predicted[i] == labels[i];
  return share(static_cast<double>(correct), static_cast<double>(labels.size()));
}

double balanced_accuracy(std::span<const Counts> counts) {
  double sum = 0, present = 0;
  for (const Counts& c : counts) {
    if (c.support() == 0) continue;
    sum += c.recall();
    ++present;
  }
  return share(sum, present);
}

double matthews_correlation(std::span<const Counts> counts) {
  double correct = 0, all = 0, both = 0, predicted_squares = 0, label_squares = 0;
  for (const Counts& c : counts) {
    const auto labels = static_cast<double>(c.support()),
               predictions = static_cast<double>(c.true_positives + c.false_positives);
    correct += static_cast<double>(c.true_positives);
    all += labels;
    both += labels * predictions;
    label_squares += labels * labels;
    predicted_squares += predictions * predictions;
  }
  return share(correct * all - both, std::sqrt((all * all - predicted_squares) * (all * all - label_squares)));
}

double log_loss(const Tensor& logits, std::span<const std::int32_t> labels) {
  const Tensor exact = logits.cast(DType::kFloat64);
  const auto classes = static_cast<std::size_t>(logits.shape()[1]);
  double sum = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto row = exact.values<double>().subspan(i * classes, classes);
    const double largest = *std::ranges::max_element(row);
    double exponentials = 0;
    for (const double z : row) exponentials += std::exp(z - largest);
    sum += std::log(exponentials) + largest - row[static_cast<std::size_t>(labels[i])];
  }
  return share(sum, static_cast<double>(labels.size()));
}

double brier_score(std::span<const double> probabilities, std::span<const std::int32_t> labels) {
  if (labels.empty()) return 0;
  const std::size_t classes = probabilities.size() / labels.size();
  double sum = 0;
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    const double target = static_cast<std::size_t>(labels[i / classes]) == i % classes ? 1 : 0;
    sum += (probabilities[i] - target) * (probabilities[i] - target);
  }
  return sum / static_cast<double>(labels.size());
}

double calibration_error(std::span<const double> probabilities, std::span<const std::int32_t> labels) {
  if (labels.empty()) return 0;
  const std::size_t classes = probabilities.size() / labels.size();
  CalibrationBins bins;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto row = probabilities.subspan(i * classes, classes);
    const auto largest = std::ranges::max_element(row);
    bins.add(*largest, largest - row.begin() == labels[i]);
  }
  return bins.error() / static_cast<double>(labels.size());
}

double subset_accuracy(std::span<const std::uint8_t> predicted, std::span<const std::uint8_t> labels,
                       std::int64_t width) {
  check_sizes(predicted.size(), labels.size());
  const auto step = static_cast<std::size_t>(width);
  double right = 0;
  for (std::size_t at = 0; at < labels.size(); at += step)
    right += std::ranges::equal(predicted.subspan(at, step), labels.subspan(at, step)) ? 1 : 0;
  return share(right, static_cast<double>(labels.size() / step));
}

double hamming_loss(std::span<const std::uint8_t> predicted, std::span<const std::uint8_t> labels) {
  check_sizes(predicted.size(), labels.size());
  double wrong = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) wrong += predicted[i] == labels[i] ? 0 : 1;
  return share(wrong, static_cast<double>(labels.size()));
}

double label_log_loss(const Tensor& logits, std::span<const std::uint8_t> labels) {
  const Tensor exact = logits.cast(DType::kFloat64);
  double sum = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const double z = exact.values<double>()[i], against = labels[i] != 0 ? -z : z;
    sum += std::max(against, 0.0) + std::log1p(std::exp(-std::abs(z)));
  }
  return share(sum, static_cast<double>(labels.size()));
}

double label_calibration_error(std::span<const double> probabilities, std::span<const std::uint8_t> labels) {
  check_sizes(probabilities.size(), labels.size());
  CalibrationBins bins;
  for (std::size_t i = 0; i < labels.size(); ++i) bins.add(probabilities[i], labels[i] != 0);
  return share(bins.error(), static_cast<double>(labels.size()));
}

double f1_samples(std::span<const std::uint8_t> predicted, std::span<const std::uint8_t> labels, std::int64_t width) {
  check_sizes(predicted.size(), labels.size());
  const auto step = static_cast<std::size_t>(width);
  double sum = 0;
  for (std::size_t at = 0; at < labels.size(); at += step)
    sum += label_counts(predicted.subspan(at, step), labels.subspan(at, step), 1).front().f1();
  return share(sum, static_cast<double>(labels.size() / step));
}

double roc_auc(std::span<const double> scores, std::span<const std::uint8_t> positive) {
  check_sizes(scores.size(), positive.size());
  double positives = 0, area = 0;
  for_equal_scores(scores, [&](std::span<const std::size_t> group) {
    double here = 0;
    for (const std::size_t i : group) here += positive[i];
    area += (static_cast<double>(group.size()) - here) * (positives + here / 2);
    positives += here;
  });
  const double pairs = positives * (static_cast<double>(scores.size()) - positives);
  return pairs == 0 ? kUndefined : area / pairs;
}

double average_precision(std::span<const double> scores, std::span<const std::uint8_t> positive) {
  check_sizes(scores.size(), positive.size());
  double positives = 0, seen = 0, sum = 0;
  for_equal_scores(scores, [&](std::span<const std::size_t> group) {
    double here = 0;
    for (const std::size_t i : group) here += positive[i];
    positives += here;
    seen += static_cast<double>(group.size());
    sum += here * positives / seen;
  });
  return positives == 0 ? kUndefined : sum / positives;
}

std::vector<RankedShare> precision_recall_curve(std::span<const double> scores,
                                                std::span<const std::uint8_t> positive) {
  check_sizes(scores.size(), positive.size());
  const auto all = static_cast<double>(std::ranges::count_if(positive, [](std::uint8_t p) { return p != 0; }));
  std::vector<RankedShare> out;
  if (all == 0) return out;
  double positives = 0, seen = 0;
  for_equal_scores(scores, [&](std::span<const std::size_t> group) {
    for (const std::size_t i : group) positives += positive[i];
    seen += static_cast<double>(group.size());
    out.push_back({scores[group.front()], positives / all, positives / seen});
  });
  return out;
}

double mean_of_defined(std::span<const double> values) {
  double sum = 0, defined = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    ++defined;
  }
  return defined == 0 ? kUndefined : sum / defined;
}

double mean_squared_error(std::span<const double> predicted, std::span<const double> labels) {
  check_sizes(predicted.size(), labels.size());
  double sum = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) sum += (predicted[i] - labels[i]) * (predicted[i] - labels[i]);
  return sum / static_cast<double>(labels.size());
}

double mean_absolute_error(std::span<const double> predicted, std::span<const double> labels) {
  check_sizes(predicted.size(), labels.size());
  double sum = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) sum += std::abs(predicted[i] - labels[i]);
  return sum / static_cast<double>(labels.size());
}

double r_squared(std::span<const double> predicted, std::span<const double> labels) {
  if (constant(labels)) return kUndefined;
  const std::vector<double> middle(labels.size(), mean(labels));
  return 1 - mean_squared_error(predicted, labels) / mean_squared_error(middle, labels);
}

double pearson(std::span<const double> x, std::span<const double> y) {
  check_sizes(x.size(), y.size());
  if (constant(x) || constant(y)) return kUndefined;
  const double x_mean = mean(x), y_mean = mean(y);
  double xx = 0, yy = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - x_mean) * (x[i] - x_mean);
    yy += (y[i] - y_mean) * (y[i] - y_mean);
    xy += (x[i] - x_mean) * (y[i] - y_mean);
  }
  return std::clamp(xy / std::sqrt(xx) / std::sqrt(yy), -1.0, 1.0);
}

double spearman(std::span<const double> x, std::span<const double> y) {
  return pearson(ranks(x), ranks(y));
}

}  // namespace attune::measures
