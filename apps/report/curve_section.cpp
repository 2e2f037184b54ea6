#include <algorithm>
#include <cmath>

#include "apps/report/chart.h"
#include "apps/report/sections.h"

namespace attune::html {
namespace {

using Bucket = ThinnedCurve::Bucket;

constexpr std::size_t kFewPoints = 40;  // so few are drawn as they are, without a mean

double middle(const ThinnedCurve& curve, const Bucket& bucket) {
  if (bucket.count == 1) return static_cast<double>(bucket.min.step);
  return (static_cast<double>(bucket.index) + 0.5) * static_cast<double>(curve.width()) - 0.5;
}

std::string bucket_text(const ThinnedCurve& curve, const Bucket& bucket, const std::string& name) {
  if (bucket.count == 1)
    return "step " + count_text(bucket.min.step) + ", " + name + ": " + number_text(bucket.min.value);
  const std::int64_t first = bucket.index * curve.width(), last = first + curve.width() - 1;
  std::string out = "steps " + count_text(first) + "\xE2\x80\x93" + count_text(last) + ", " + name + ": ";
  if (bucket.min.value == bucket.max.value) return out + number_text(bucket.mean());
  return out + "mean " + number_text(bucket.mean()) + ", from " + number_text(bucket.min.value) + " to " +
         number_text(bucket.max.value);
}

// A mark with its text for the mean of each bucket.
std::vector<Mark> means_of(const ThinnedCurve& curve, const std::string& name) {
  std::vector<Mark> out;
  for (const Bucket& bucket : curve.buckets())
    out.push_back({middle(curve, bucket), bucket.mean(), bucket_text(curve, bucket, name)});
  return out;
}

// The lowest and the highest value of each bucket, as their steps come.
std::vector<Mark> range_of(const ThinnedCurve& curve) {
  std::vector<Mark> out;
  const auto add = [&](const ThinnedCurve::Sample& sample) {
    out.push_back({static_cast<double>(sample.step), sample.value});
  };
  for (const Bucket& bucket : curve.buckets()) {
    const bool min_first = bucket.min.step <= bucket.max.step;
    add(min_first ? bucket.min : bucket.max);
    if (bucket.min.step != bucket.max.step) add(min_first ? bucket.max : bucket.min);
  }
  return out;
}

// The mean over a twentieth of the run around each bucket.
std::vector<Mark> moving_mean(const ThinnedCurve& curve) {
  const std::vector<Bucket>& buckets = curve.buckets();
  const auto reach = static_cast<std::ptrdiff_t>(buckets.size() / 40 + 1);
  std::vector<Mark> out;
  for (std::ptrdiff_t i = 0; i < std::ssize(buckets); ++i) {
    double sum = 0, count = 0;
    for (auto j = std::max<std::ptrdiff_t>(0, i - reach); j <= std::min(std::ssize(buckets) - 1, i + reach); ++j) {
      sum += buckets[static_cast<std::size_t>(j)].sum;
      count += static_cast<double>(buckets[static_cast<std::size_t>(j)].count);
    }
    out.push_back({middle(curve, buckets[static_cast<std::size_t>(i)]), sum / count});
  }
  return out;
}

// "from 0.69 at the beginning to 0.2 at the end; lowest 0.1 at step 90, highest 0.7 at step 3".
std::string summary_of(const ThinnedCurve& curve) {
  const auto& buckets = curve.buckets();
  const Bucket& lowest = *std::ranges::min_element(buckets, {}, [](const Bucket& b) { return b.min.value; });
  const Bucket& highest = *std::ranges::max_element(buckets, {}, [](const Bucket& b) { return b.max.value; });
  return "from " + number_text(buckets.front().mean()) + " at the beginning to " + number_text(buckets.back().mean()) +
         " at the end; lowest " + number_text(lowest.min.value) + " at step " + count_text(lowest.min.step) +
         ", highest " + number_text(highest.max.value) + " at step " + count_text(highest.max.step);
}

// The scales that show all marks of a chart.
void fit(Chart& chart, bool log) {
  std::vector<double> xs, ys;
  for (const Series& series : chart.series)
    for (const Mark& mark : series.marks) {
      xs.push_back(mark.x);
      ys.push_back(mark.y);
    }
  const auto [first, last] = std::ranges::minmax(xs);
  // Of a bucket of steps the middle is drawn: the first one begins at 0.
  chart.x = first < last ? fixed_scale(first < 0.02 * last ? 0 : first, last) : scale_of(xs);
  chart.y = log ? log_scale_if_wide(ys) : scale_of(ys);
  if (chart.y.log) chart.note += (chart.note.empty() ? "" : " ") + std::string("The scale is logarithmic.");
}

// Of every batch: each value, and their moving mean if there are many.
Chart step_chart(const std::string& title, const std::string& name, const ThinnedCurve& curve, bool smooth, bool log) {
  Chart chart{.title = title,
              .description = name + " " + summary_of(curve) + ".",
              .x_title = "step (batches)",
              .y_title = name};
  smooth = smooth && curve.buckets().size() > kFewPoints;
  if (smooth) {
    chart.series.push_back({.name = name, .marks = range_of(curve), .form = Series::Form::kFaintLine});
    chart.series.push_back({.name = "moving mean", .marks = moving_mean(curve)});
    chart.note = curve.width() == 1 ? "Pale: each batch. Dark: their moving mean."
                                    : "Pale: from the lowest to the highest of every " + count_text(curve.width()) +
                                          " batches. Dark: the moving mean.";
    chart.stops = means_of(curve, name);
  } else {
    chart.series.push_back({.name = name, .marks = means_of(curve, name)});
  }
  fit(chart, log);
  return chart;
}

Chart evaluation_chart(const RunCurves& curves, bool log) {
  Chart chart{.title = "Loss of the evaluations",
              .note = "Over the first batches of each split.",
              .x_title = "step (batches)",
              .y_title = "loss"};
  const auto add = [&](const ThinnedCurve& curve, const char* name) {
    if (curve.buckets().empty()) return;
    chart.series.push_back(
        {.name = name,
         .marks = means_of(curve, name),
         .form = curve.buckets().size() > kFewPoints ? Series::Form::kLine : Series::Form::kLineWithDots,
         .style = chart.series.size()});
    chart.description += std::string(name) + " loss " + summary_of(curve) + ". ";
  };
  add(curves.train_loss, "training");
  add(curves.validation_loss, "validation");
  fit(chart, log);
  return chart;
}

Chart measure_chart(const RunPage& page) {
  const std::string name = shortened(page.kept_measure, kMaxName);
  Chart chart{.title = "Measure that chooses the model: " + name,
              .note = "Over the whole validation split.",
              .description = name + " " + summary_of(page.curves.measured) + ".",
              .x_title = "step (batches)",
              .y_title = name,
              .series = {{.name = name,
                          .marks = means_of(page.curves.measured, name),
                          .form = Series::Form::kLineWithDots,
                          .style = 2}}};
  fit(chart, false);
  if (page.best_step)
    chart.uprights.push_back({static_cast<double>(*page.best_step), "best: step " + count_text(*page.best_step)});
  return chart;
}

}  // namespace

bool has_curves(const RunPage& page) {
  return !page.curves.loss.buckets().empty();
}

void write_curves(Writer& out, const RunPage& page) {
  const RunCurves& curves = page.curves;  // squared errors fall by powers of ten
  const auto figures = out.in("div", {{"class", "figures"}});
  write_chart(out, "loss", step_chart("Training loss", "loss", curves.loss, true, page.numbers));
  if (!curves.train_loss.buckets().empty() || !curves.validation_loss.buckets().empty())
    write_chart(out, "evaluations", evaluation_chart(curves, page.numbers));
  if (!curves.measured.buckets().empty()) write_chart(out, "measure", measure_chart(page));
  if (!curves.learning_rate.buckets().empty())
    write_chart(out, "rate", step_chart("Learning rate", "learning rate", curves.learning_rate, false, false));
  if (!curves.grad_norm.buckets().empty())
    write_chart(out, "norm", step_chart("Norm of the gradient", "norm", curves.grad_norm, true, true));
}

}  // namespace attune::html
