#include "apps/support/prediction_figures.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "apps/support/percent.h"
#include "base/join.h"
#include "engine/autograd/tape.h"
#include "engine/train/measures.h"

namespace attune {
namespace {

constexpr std::size_t kMaxMistakes = 10, kMaxRankings = 6, kMaxFits = 4, kMaxPoints = 1000, kRankingBuckets = 100,
                      kMaxListed = 6;

// The predictions of a split, row by row.
struct Predicted {
  std::size_t outputs;
  std::span<const double> logits;                 // [E, outputs]
  std::vector<double> probabilities;              // the same; none of numbers
  std::vector<std::vector<std::int32_t>> chosen;  // outputs, by example
  std::vector<std::vector<std::int32_t>> labels;  // the same of the labels; empty for numbers
  std::vector<double> numbers;                    // [E, outputs], labels that are numbers

  std::size_t size() const { return logits.size() / outputs; }
};

Predicted predicted_of(const Evaluation& evaluation, const Task& task) {
  Predicted out{.outputs = static_cast<std::size_t>(task.outputs()),
                .logits = evaluation.logits.values<double>(),
                .probabilities = {},
                .chosen = {},
                .labels = {},
                .numbers = {}};
  for (std::size_t i = 0; i < out.size(); ++i) {
    Prediction prediction = task.predict(out.logits.subspan(i * out.outputs, out.outputs));
    out.probabilities.insert(out.probabilities.end(), prediction.probabilities.begin(), prediction.probabilities.end());
    out.chosen.push_back(std::move(prediction.chosen));
  }
  if (task.target() == Target::kClass) {
    for (const std::int32_t label : evaluation.labels.values<std::int32_t>()) out.labels.push_back({label});
    return out;
  }
  const auto values = evaluation.labels.values<float>();
  if (task.target() == Target::kNumbers) {
    out.numbers.assign(values.begin(), values.end());
    return out;
  }
  out.labels.resize(out.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i] != 0) out.labels[i / out.outputs].push_back(static_cast<std::int32_t>(i % out.outputs));
  return out;
}

bool has(const std::vector<std::int32_t>& labels, std::size_t output) {
  return std::ranges::find(labels, static_cast<std::int32_t>(output)) != labels.end();
}

// The loss of each example as evaluate has it: without weights and temperature.
std::vector<double> losses_of(const Evaluation& evaluation, const Task& task) {
  const NoGrad no_grad;
  const auto plain =
      make_task(task.problem_type(), {.outputs = task.outputs(), .output_names = task.options().output_names});
  std::vector<double> out;
  for (std::int64_t i = 0; i < evaluation.examples; ++i)
    out.push_back(plain->loss(Variable(evaluation.logits.rows(i, i + 1), false), evaluation.labels.rows(i, i + 1))
                      .value()
                      .item());
  return out;
}

// The bins of the expected calibration error.
std::vector<ReliabilityBin> reliability_of(const Predicted& all, Target target) {
  std::vector<ReliabilityBin> out(measures::kCalibrationBins);
  const auto add = [&](double probability, bool right) {
    ReliabilityBin& to = out[measures::calibration_bin(probability)];
    ++to.examples;
    to.confidence += probability;
    to.accuracy += right ? 1 : 0;
  };
  for (std::size_t example = 0; example < all.size(); ++example) {
    const auto row = std::span(all.probabilities).subspan(example * all.outputs, all.outputs);
    if (target == Target::kLabels)
      for (std::size_t k = 0; k < row.size(); ++k) add(row[k], has(all.labels[example], k));
    else
      add(*std::ranges::max_element(row), all.chosen[example] == all.labels[example]);
  }
  for (ReliabilityBin& bin : out) {
    if (bin.examples == 0) continue;
    bin.confidence /= static_cast<double>(bin.examples);
    bin.accuracy /= static_cast<double>(bin.examples);
  }
  return out;
}

// The outputs with the lowest average precision.
std::vector<RankingCurve> rankings_of(const Evaluation& evaluation, const Predicted& all,
                                      const std::vector<std::string>& names) {
  std::vector<RankingCurve> out;
  for (std::size_t k = 0; k < names.size(); ++k) {
    const auto measure = std::ranges::find(evaluation.measures, "average_precision." + names[k], &Measure::name);
    if (measure != evaluation.measures.end() && !std::isnan(measure->value))
      out.push_back({.output = k, .average_precision = measure->value});
  }
  std::ranges::stable_sort(out, {}, &RankingCurve::average_precision);
  out.resize(std::min(out.size(), kMaxRankings));
  std::ranges::sort(out, {}, &RankingCurve::output);
  for (RankingCurve& curve : out) {
    std::vector<double> scores;
    std::vector<std::uint8_t> positive;
    for (std::size_t example = 0; example < all.size(); ++example) {
      scores.push_back(all.probabilities[example * all.outputs + curve.output]);
      positive.push_back(has(all.labels[example], curve.output) ? 1 : 0);
    }
    std::vector<CurvePoint> points;
    for (const auto& [score, recall, precision] : measures::precision_recall_curve(scores, positive))
      points.push_back({recall, precision, score});
    curve.points = thinned(points, kRankingBuckets);
  }
  return out;
}

std::vector<NumberFit> fits_of(const Predicted& all) {
  std::vector<NumberFit> out;
  const std::size_t step = all.size() / kMaxPoints + 1;
  for (std::size_t k = 0; k < std::min(all.outputs, kMaxFits); ++k) {
    NumberFit& fit = out.emplace_back(NumberFit{.output = k});
    for (std::size_t example = 0; example < all.size(); ++example) {
      const std::size_t i = example * all.outputs + k;
      fit.residuals.push_back(all.logits[i] - all.numbers[i]);
      if (example % step == 0) fit.points.push_back({all.numbers[i], all.logits[i]});
    }
  }
  return out;
}

// "joy 98.1%, fear 60.2%", or the names alone.
std::string listed(const std::vector<std::int32_t>& outputs, const std::vector<std::string>& names,
                   std::span<const double> probabilities = {}) {
  std::vector<std::string> out;
  for (const std::int32_t output : outputs) {
    const auto k = static_cast<std::size_t>(output);
    if (out.size() == kMaxListed) return join(out) + ", ...";
    out.push_back(names[k] + (probabilities.empty() ? "" : " " + percent_text(probabilities[k])));
  }
  return out.empty() ? "none" : join(out);
}

std::string numbers_text(std::span<const double> numbers) {
  std::vector<std::string> out;
  for (const double number : numbers.first(std::min(numbers.size(), kMaxListed))) out.push_back(str_cat(number));
  return join(out) + (numbers.size() > kMaxListed ? ", ..." : "");
}

// The output whose prediction is the farthest from the label; of one class the predicted one.
std::size_t worst_output(const Predicted& all, std::size_t example, Target target) {
  if (target == Target::kClass) return static_cast<std::size_t>(all.chosen[example].front());
  const auto distance = [&](std::size_t k) {
    const std::size_t i = example * all.outputs + k;
    if (target == Target::kNumbers) return std::abs(all.logits[i] - all.numbers[i]);
    return std::abs(all.probabilities[i] - (has(all.labels[example], k) ? 1 : 0));
  };
  std::size_t out = 0;
  for (std::size_t k = 1; k < all.outputs; ++k)
    if (distance(k) > distance(out)) out = k;
  return out;
}

void add_mistakes(PageFigures& out, const Evaluation& evaluation, const Predicted& all, const Task& task,
                  const std::vector<std::string>& names) {
  const Target target = task.target();
  const std::vector<double> losses = losses_of(evaluation, task);
  std::vector<std::size_t> wrong;
  for (std::size_t example = 0; example < all.size(); ++example)
    if (target == Target::kNumbers || all.chosen[example] != all.labels[example]) wrong.push_back(example);
  out.all_mistakes = std::ssize(wrong);
  std::ranges::stable_sort(wrong, [&](std::size_t a, std::size_t b) { return losses[a] > losses[b]; });
  wrong.resize(std::min(wrong.size(), kMaxMistakes));
  for (const std::size_t example : wrong) {
    const auto row = [&](std::span<const double> values) { return values.subspan(example * all.outputs, all.outputs); };
    PageMistake& mistake = out.mistakes.emplace_back();
    mistake.row = evaluation.rows[example] + 1;
    mistake.loss = losses[example];
    mistake.explained = worst_output(all, example, target);
    const bool numbers = target == Target::kNumbers;
    mistake.labels = numbers ? numbers_text(row(all.numbers)) : listed(all.labels[example], names);
    mistake.predictions =
        numbers ? numbers_text(row(all.logits)) : listed(all.chosen[example], names, row(all.probabilities));
  }
}

}  // namespace

PageFigures figures_of(const Evaluation& evaluation, const Task& task, const std::vector<std::string>& names) {
  const Target target = task.target();
  PageFigures out;
  out.examples = evaluation.examples;
  if (out.examples == 0) return out;
  const Predicted all = predicted_of(evaluation, task);
  if (target == Target::kClass && task.outputs() <= measures::kMaxMatrixClasses)
    out.confusion = measures::confusion_matrix(measures::argmax_rows(evaluation.logits),
                                               evaluation.labels.values<std::int32_t>(), task.outputs());
  if (target == Target::kNumbers) {
    out.fits = fits_of(all);
  } else {
    out.reliability = reliability_of(all, target);
    out.calibration_error = evaluation.measure("ece");
    out.rankings = rankings_of(evaluation, all, names);
  }
  add_mistakes(out, evaluation, all, task, names);
  return out;
}

}  // namespace attune
