#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "apps/report/chart.h"
#include "apps/report/sections.h"

namespace attune::html {
namespace {

constexpr std::size_t kMaxConfusions = 20, kResidualBars = 24;

std::string four_decimals(double value) {
  if (std::isnan(value)) return "undefined";
  if (std::abs(value) >= 1e4) return number_text(value);
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.4f", value);
  return text.data();
}

// The names of the measures of outputs, or of those of the whole split, in their order.
std::vector<std::string> measure_names(const PageEvaluation& evaluation, bool of_outputs) {
  std::vector<std::string> out;
  for (const PageMeasure& measure : evaluation.measures)
    if (measure.output.has_value() == of_outputs && std::ranges::find(out, measure.name) == out.end())
      out.push_back(measure.name);
  return out;
}

std::string value_in(const PageEvaluation& evaluation, const std::string& name, std::optional<std::size_t> output) {
  const auto found = std::ranges::find_if(evaluation.measures, [&](const PageMeasure& measure) {
    return measure.name == name && measure.output == output;
  });
  if (found == evaluation.measures.end()) return "";
  return name == "support" ? count_text(static_cast<std::int64_t>(found->value)) : four_decimals(found->value);
}

void write_output_table(Writer& out, const RunPage& page, const PageEvaluation& evaluation,
                        const std::vector<std::string>& names) {
  const std::size_t shown = std::min(page.outputs.size(), kMaxRows);
  TableElement table(out, "Each output on the " + evaluation.split + " split");
  std::vector<std::string> head = {""};
  head.insert(head.end(), names.begin(), names.end());
  table.head(head);
  for (std::size_t k = 0; k < shown; ++k) {
    std::vector<std::string> cells;
    for (const std::string& name : names) cells.push_back(value_in(evaluation, name, k));
    table.row(output_name(page, k), cells);
  }
  if (shown < page.outputs.size())
    table.row("\xE2\x80\xA6 and " + std::to_string(page.outputs.size() - shown) + " more", {});
}

// Folded if there are many.
void write_output_measures(Writer& out, const RunPage& page, const PageEvaluation& evaluation) {
  const std::vector<std::string> names = measure_names(evaluation, true);
  if (names.empty()) return;
  if (page.outputs.size() <= kMaxMatrix) return write_output_table(out, page, evaluation, names);
  const auto details = out.in("details");
  out.element("summary", "Measures of each of the " + std::to_string(page.outputs.size()) + " outputs");
  write_output_table(out, page, evaluation, names);
}

void write_matrix(Writer& out, const RunPage& page, const std::vector<std::int64_t>& counts) {
  const std::size_t classes = page.outputs.size();
  out.element("h3", "Confusion matrix");
  out.element("p", {{"class", "note"}},
              "A row for each label, a column for each prediction. Darker is a larger share of the row.");
  TableElement table(out, "Texts with each label and prediction", "confusion");
  std::vector<std::string> head = {"label"};
  for (std::size_t k = 0; k < classes; ++k) head.push_back(output_name(page, k));
  table.head(head);
  for (std::size_t k = 0; k < classes; ++k) {
    const auto row = counts.begin() + static_cast<std::ptrdiff_t>(k * classes);
    const std::int64_t all = std::accumulate(row, row + static_cast<std::ptrdiff_t>(classes), std::int64_t{0});
    const auto line = out.in("tr");
    out.element("th", {{"scope", "row"}}, output_name(page, k));
    for (std::size_t l = 0; l < classes; ++l) {
      const std::int64_t count = row[static_cast<std::ptrdiff_t>(l)];
      const std::int64_t level = all == 0 ? 0 : (count * 7 + all - 1) / all;
      const std::string style = (level > 0 ? "h" + std::to_string(level) : "") + (k == l ? " right" : "");
      out.element("td", {{"class", style}}, count_text(count));
    }
  }
}

// Of many classes: the pairs that are confused most often.
void write_confusions(Writer& out, const RunPage& page, const std::vector<std::int64_t>& counts) {
  const std::size_t classes = page.outputs.size();
  std::vector<std::size_t> pairs;
  for (std::size_t i = 0; i < counts.size(); ++i)
    if (counts[i] > 0 && i / classes != i % classes) pairs.push_back(i);
  std::ranges::stable_sort(pairs, [&](std::size_t a, std::size_t b) { return counts[a] > counts[b]; });
  pairs.resize(std::min(pairs.size(), kMaxConfusions));
  TableElement table(out, "The most frequent confusions");
  table.head({"label", "predicted", "texts"});
  for (const std::size_t pair : pairs)
    table.row(output_name(page, pair / classes), {output_name(page, pair % classes), count_text(counts[pair])});
}

void write_reliability(Writer& out, bool labels, const PageFigures& figures) {
  const std::string what = labels ? "labels" : "texts";
  Chart chart{.title = "Calibration",
              .note = "Expected calibration error " + number_text(figures.calibration_error) + ", " +
                      std::to_string(figures.reliability.size()) +
                      " bins. On the dashed line the probabilities are right.",
              .x_title = labels ? "predicted probability" : "confidence: probability of the prediction",
              .y_title = labels ? "share of examples that have the label" : "accuracy",
              .x = fixed_scale(0, 1),
              .y = fixed_scale(0, 1),
              .diagonal = true};
  Chart sizes{.title = labels ? "Predicted probabilities" : "Confidence of the predictions",
              .note = "How many " + what + " each bin of the calibration has.",
              .x_title = chart.x_title,
              .y_title = "percent of the " + what,
              .x = fixed_scale(0, 1)};
  Series line{.name = "bins", .form = Series::Form::kLineWithDots};
  Series bars{
      .name = what, .form = Series::Form::kBars, .bar_width = 1.0 / static_cast<double>(figures.reliability.size())};
  std::int64_t all = 0;
  for (const ReliabilityBin& bin : figures.reliability) all += bin.examples;
  std::vector<double> heights = {0};
  for (std::size_t i = 0; i < figures.reliability.size(); ++i) {
    const ReliabilityBin& bin = figures.reliability[i];
    if (bin.examples == 0) continue;
    const std::string size = count_text(bin.examples) + " " + what;
    line.marks.push_back({bin.confidence, bin.accuracy,
                          "probability " + number_text(bin.confidence) + ", " + (labels ? "share " : "accuracy ") +
                              number_text(bin.accuracy) + ", " + size});
    heights.push_back(100.0 * static_cast<double>(bin.examples) / static_cast<double>(all));
    bars.marks.push_back({(static_cast<double>(i) + 0.5) * bars.bar_width, heights.back(),
                          "from " + number_text(static_cast<double>(i) * bars.bar_width) + " to " +
                              number_text(static_cast<double>(i + 1) * bars.bar_width) + ": " + size});
  }
  for (const Mark& mark : line.marks) chart.description += mark.text + ". ";
  for (const Mark& mark : bars.marks) sizes.description += mark.text + ". ";
  sizes.y = scale_of(heights);
  chart.series.push_back(std::move(line));
  sizes.series.push_back(std::move(bars));
  write_chart(out, "calibration", chart);
  write_chart(out, "confidence", sizes);
}

void write_rankings(Writer& out, const RunPage& page, const PageFigures& figures) {
  Chart chart{.title = "Precision and recall",
              .note = "Each output against all others, for every threshold.",
              .x_title = "recall",
              .y_title = "precision",
              .x = fixed_scale(0, 1),
              .y = fixed_scale(0, 1)};
  if (figures.rankings.size() < page.outputs.size() && page.outputs.size() > 2)
    chart.note += " Shown are the " + std::to_string(figures.rankings.size()) + " of " +
                  std::to_string(page.outputs.size()) + " outputs with the lowest average precision.";
  for (const RankingCurve& ranking : figures.rankings) {
    const std::string name = output_name(page, ranking.output);
    Series series{.name = name + " (average precision " + number_text(ranking.average_precision) + ")",
                  .style = chart.series.size() % kSeriesStyles};
    for (const CurvePoint& point : ranking.points)
      series.marks.push_back({point.x, point.y,
                              name + ", threshold " + number_text(point.at) + ": recall " + number_text(point.x) +
                                  ", precision " + number_text(point.y)});
    chart.description += series.name + ". ";
    chart.series.push_back(std::move(series));
  }
  write_chart(out, "ranking", chart);
}

void write_fit(Writer& out, const RunPage& page, const NumberFit& fit, std::int64_t examples) {
  const std::string name = output_name(page, fit.output), suffix = page.outputs.size() > 1 ? ": " + name : "";
  const std::string id = std::to_string(fit.output);
  Chart chart{.title = "Predicted against true" + suffix,
              .note = "On the dashed line predictions are right.",
              .x_title = "label",
              .y_title = "prediction",
              .diagonal = true};
  if (std::cmp_less(fit.points.size(), examples))
    chart.note += " " + count_text(std::ssize(fit.points)) + " of " + count_text(examples) + " texts.";
  Series dots{.name = name, .form = Series::Form::kDots};
  std::vector<double> values;
  for (const CurvePoint& point : fit.points) {
    dots.marks.push_back({point.x, point.y, "label " + number_text(point.x) + ", predicted " + number_text(point.y)});
    values.insert(values.end(), {point.x, point.y});
  }
  chart.x = chart.y = scale_of(values);
  chart.description = "Each text as a dot; the measures say how close the dots are to the line.";
  chart.series.push_back(std::move(dots));
  write_chart(out, "fit" + id, chart);

  Chart residuals{
      .title = "Residuals" + suffix, .note = "Prediction less label.", .x_title = "residual", .y_title = "texts"};
  residuals.x = scale_of(fit.residuals);
  const double width = (residuals.x.max - residuals.x.min) / kResidualBars;
  std::array<std::int64_t, kResidualBars> counts{};
  for (const double residual : fit.residuals)
    ++counts[std::min(static_cast<std::size_t>(std::max(0.0, (residual - residuals.x.min) / width)),
                      kResidualBars - 1)];
  Series bars{.name = name, .form = Series::Form::kBars, .bar_width = width};
  std::vector<double> heights = {0};
  for (std::size_t i = 0; i < kResidualBars; ++i) {
    const double from = residuals.x.min + static_cast<double>(i) * width;
    heights.push_back(static_cast<double>(counts[i]));
    bars.marks.push_back(
        {from + width / 2, heights.back(),
         "from " + number_text(from) + " to " + number_text(from + width) + ": " + count_text(counts[i])});
  }
  residuals.y = scale_of(heights);
  residuals.description = "Histogram of prediction less label.";
  residuals.series.push_back(std::move(bars));
  residuals.uprights.push_back({0, "0"});
  write_chart(out, "residuals" + id, residuals);
}

}  // namespace

bool has_measures(const RunPage& page) {
  return !page.evaluations.empty();
}

void write_measures(Writer& out, const RunPage& page) {
  {
    TableElement table(out, "Measures of each split", "measures");
    std::vector<std::string> head = {""};
    for (const PageEvaluation& evaluation : page.evaluations) head.push_back(evaluation.split);
    table.head(head);
    for (const std::string& name : measure_names(page.evaluations.front(), false)) {
      std::vector<std::string> cells;
      for (const PageEvaluation& evaluation : page.evaluations) cells.push_back(value_in(evaluation, name, {}));
      table.row(name, cells);
    }
  }
  write_output_measures(out, page, page.evaluations.back());
}

bool has_predictions(const RunPage& page) {
  return page.figures.has_value() && page.figures->examples > 0;
}

void write_predictions(Writer& out, const RunPage& page) {
  const PageFigures& figures = *page.figures;
  if (!figures.confusion.empty()) {
    if (page.outputs.size() <= kMaxMatrix)
      write_matrix(out, page, figures.confusion);
    else
      write_confusions(out, page, figures.confusion);
  }
  const auto charts = out.in("div", {{"class", "figures"}});
  if (!figures.reliability.empty()) write_reliability(out, page.labels, figures);
  if (!figures.rankings.empty()) write_rankings(out, page, figures);
  for (const NumberFit& fit : figures.fits) write_fit(out, page, fit, figures.examples);
}

}  // namespace attune::html
