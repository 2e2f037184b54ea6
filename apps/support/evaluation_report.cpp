#include "apps/support/evaluation_report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <numeric>
#include <utility>

#include "apps/support/percent.h"
#include "apps/support/text_table.h"
#include "base/check.h"
#include "base/join.h"
#include "base/printable.h"
#include "engine/autograd/tape.h"
#include "engine/train/measures.h"

namespace attune {
namespace {

constexpr std::size_t kMaxConfusedClasses = 20;  // in the text; JSON has them all, up to measures::kMaxMatrixClasses
constexpr std::size_t kMaxName = 40, kMinText = 20;

using NamedValues = std::vector<std::pair<std::string, double>>;

std::string four_decimals(const std::string& name, double value) {
  if (std::isnan(value)) return "undefined";
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), name == "examples" || name == "support" ? "%.0f" : "%.4f", value);
  return text.data();
}

std::string short_name(const std::string& name) {
  return printable(name, kMaxName);
}

// Rows of a host tensor.
Tensor choose_rows(const Tensor& of, const std::vector<std::int64_t>& rows) {
  const Tensor out = Tensor::empty(of.shape().with_rows(std::ssize(rows)), of.dtype());
  for (std::int64_t i = 0; i < std::ssize(rows); ++i) {
    const std::int64_t row = rows[static_cast<std::size_t>(i)];
    out.rows(i, i + 1).copy_from(of.rows(row, row + 1));
  }
  return out;
}

// The measures of a group that are printed; JSON has all.
std::vector<std::string> main_measures(Target target) {
  if (target == Target::kClass) return {"examples", "accuracy", "balanced_accuracy", "f1_macro", "mcc", "log_loss"};
  if (target == Target::kLabels) return {"examples", "f1_micro", "f1_macro", "subset_accuracy", "hamming_loss"};
  return {"examples", "mse", "mae", "pearson", "spearman"};
}

json::Value object_of(const NamedValues& values) {
  json::Value out = json::Value::object();
  for (const auto& [name, value] : values)
    out.set(name, name == "examples" || name == "support" ? json::Value(static_cast<std::int64_t>(value))
                                                          : json::Value(value));
  return out;
}

// A line for each named row of values, under a line of the values' names.
TableLines named_lines(const std::string& corner, const std::vector<std::string>& names,
                       const std::vector<std::pair<std::string, NamedValues>>& rows) {
  TableLines lines = {{corner}};
  lines[0].insert(lines[0].end(), names.begin(), names.end());
  for (const auto& [row, values] : rows) {
    std::vector<std::string>& line = lines.emplace_back(1, short_name(row));
    for (const std::string& name : names) {
      const auto found = std::ranges::find(values, name, [](const auto& value) { return value.first; });
      line.push_back(found == values.end() ? "" : four_decimals(name, found->second));
    }
  }
  return lines;
}

}  // namespace

EvaluationReport::EvaluationReport(const Predictor& model, const std::string& path, const LabelledTexts& data,
                                   Tensor logits)
    : model_(model), path_(path), data_(data), logits_(std::move(logits)) {
  const std::vector<std::string>& names = model.label_names();
  for (const std::string& name : names) outputs_.emplace_back(name, Values());
  for (const auto& [name, value] : measure(logits_, data_.labels)) {
    const std::size_t point = name.find('.');
    if (point == std::string::npos) {
      overall_.emplace_back(name, value);
      continue;
    }
    const auto output = std::ranges::find(names, name.substr(point + 1)) - names.begin();
    outputs_.at(static_cast<std::size_t>(output)).second.emplace_back(name.substr(0, point), value);
  }
  if (outputs_.front().second.empty()) outputs_.clear();
  if (model.task().target() == Target::kClass && std::ssize(names) <= measures::kMaxMatrixClasses)
    confusion_ = measures::confusion_matrix(measures::argmax_rows(logits_), data_.labels.values<std::int32_t>(),
                                            std::ssize(names));
}

EvaluationReport::Values EvaluationReport::measure(const Tensor& logits, const Tensor& labels) const {
  const NoGrad no_grad;
  Values out = {{"loss", model_.task().loss(Variable(logits, false), labels).value().item()}};
  for (const Measure& measure : model_.task().measure(logits, labels)) out.emplace_back(measure.name, measure.value);
  return out;
}

void EvaluationReport::add_groups() {
  std::map<std::string, std::vector<std::int64_t>> rows;
  for (std::size_t i = 0; i < data_.groups.size(); ++i) rows[data_.groups[i]].push_back(static_cast<std::int64_t>(i));
  for (const auto& [value, members] : rows) {
    Values& values = groups_.emplace_back(value, Values()).second;
    values.emplace_back("examples", static_cast<double>(members.size()));
    for (auto& [name, of_group] : measure(choose_rows(logits_, members), choose_rows(data_.labels, members)))
      if (name.find('.') == std::string::npos) values.emplace_back(name, of_group);
  }
}

void EvaluationReport::add_mistakes(std::int64_t count) {
  const NoGrad no_grad;
  for (std::int64_t i = 0; i < std::ssize(data_.texts); ++i)
    mistakes_.push_back(
        {i, model_.task().loss(Variable(logits_.rows(i, i + 1), false), data_.labels.rows(i, i + 1)).value().item()});
  std::ranges::stable_sort(mistakes_, [](const Mistake& a, const Mistake& b) { return a.loss > b.loss; });
  mistakes_.resize(std::min(mistakes_.size(), static_cast<std::size_t>(count)));
}

std::vector<double> EvaluationReport::logits_of(std::int64_t row) const {
  const Tensor one = logits_.rows(row, row + 1);
  return {one.values<double>().begin(), one.values<double>().end()};
}

// The names of a row's classes or labels, or its numbers.
std::vector<std::string> EvaluationReport::label_names(std::int64_t row) const {
  const std::vector<std::string>& names = model_.label_names();
  const Tensor labels = data_.labels.rows(row, row + 1);
  if (model_.task().target() == Target::kClass)
    return {names[static_cast<std::size_t>(labels.values<std::int32_t>()[0])]};
  std::vector<std::string> out;
  for (std::size_t k = 0; k < names.size(); ++k) {
    const float value = labels.values<float>()[k];
    if (model_.task().target() == Target::kNumbers)
      out.push_back(str_cat(value));
    else if (value != 0)
      out.push_back(names[k]);
  }
  return out;
}

json::Value EvaluationReport::mistake_json(const Mistake& mistake) const {
  const std::vector<double> logits = logits_of(mistake.row);
  json::Value out = json::Value::object({{"row", mistake.row + 1}, {"loss", mistake.loss}});
  if (model_.task().target() == Target::kNumbers) {
    out.set("labels", json::Value::array_of(data_.labels.rows(mistake.row, mistake.row + 1).values<float>()));
    out.set("predictions", json::Value::array_of(logits));
  } else {
    const Prediction prediction = model_.task().predict(logits);
    std::vector<std::string> predicted;
    for (const std::int32_t k : prediction.chosen)
      predicted.push_back(model_.label_names()[static_cast<std::size_t>(k)]);
    out.set("labels", json::Value::array_of(label_names(mistake.row)));
    out.set("predictions", json::Value::array_of(predicted));
    out.set("probabilities", json::Value::array_of(prediction.probabilities));
  }
  out.set("text", data_.texts[static_cast<std::size_t>(mistake.row)]);
  if (!data_.pairs.empty()) out.set("pair", data_.pairs[static_cast<std::size_t>(mistake.row)]);
  return out;
}

json::Value EvaluationReport::json() const {
  json::Value outputs = json::Value::object();
  for (const auto& [name, values] : outputs_) outputs.set(name, object_of(values));
  json::Value out = json::Value::object({{"data", path_},
                                         {"examples", std::ssize(data_.texts)},
                                         {"measures", object_of(overall_)},
                                         {"outputs", outputs}});
  if (!confusion_.empty()) {
    json::Value rows = json::Value::array();
    const std::size_t classes = model_.label_names().size();
    for (std::size_t k = 0; k < classes; ++k)
      rows.push_back(json::Value::array_of(std::span(confusion_).subspan(k * classes, classes)));
    out.set("confusion_matrix", rows);
  }
  if (!groups_.empty()) {
    json::Value groups = json::Value::object();
    for (const auto& [value, values] : groups_) groups.set(value, object_of(values));
    out.set("groups", groups);
  }
  if (!mistakes_.empty()) {
    json::Value mistakes = json::Value::array();
    for (const Mistake& mistake : mistakes_) mistakes.push_back(mistake_json(mistake));
    out.set("mistakes", mistakes);
  }
  return out;
}

std::string EvaluationReport::confusion_text() const {
  const std::vector<std::string>& names = model_.label_names();
  if (confusion_.empty() || names.size() > kMaxConfusedClasses) return "";
  TableLines lines = {{""}};
  for (const std::string& name : names) lines[0].push_back(short_name(name));
  for (std::size_t k = 0; k < names.size(); ++k) {
    lines.push_back({short_name(names[k])});
    for (std::size_t l = 0; l < names.size(); ++l)
      lines.back().push_back(std::to_string(confusion_[k * names.size() + l]));
  }
  return "\nConfusion matrix: a row for each label, a column for each prediction\n" + table_text(lines);
}

std::string EvaluationReport::mistakes_text(std::size_t width) const {
  TableLines lines = {{"row", "loss", "label", "prediction", "text"}};
  for (const Mistake& mistake : mistakes_) {
    const std::vector<double> logits = logits_of(mistake.row);
    const Prediction prediction = model_.task().predict(logits);
    std::vector<std::string> predicted;
    if (model_.task().target() == Target::kNumbers)
      for (const double logit : logits) predicted.push_back(four_decimals("", logit));
    for (const std::int32_t k : prediction.chosen)
      predicted.push_back(str_cat(short_name(model_.label_names()[static_cast<std::size_t>(k)]), " ",
                                  percent_text(prediction.probabilities[static_cast<std::size_t>(k)])));
    const auto or_none = [](const std::string& list) { return list.empty() ? "-" : list; };
    lines.push_back({std::to_string(mistake.row + 1), four_decimals("loss", mistake.loss),
                     or_none(join(label_names(mistake.row), short_name)), or_none(join(predicted)), ""});
  }
  const std::string without = table_text(lines);  // its first line ends with the last column's title
  const std::size_t before = columns_of(without.substr(0, without.find("text")));
  for (std::size_t i = 0; i < mistakes_.size(); ++i)
    lines[i + 1].back() =
        printable(data_.texts[static_cast<std::size_t>(mistakes_[i].row)], std::max(width, before + kMinText) - before);
  return "\nLargest losses\n" + table_text(lines, 3);
}

std::string EvaluationReport::text(std::size_t width) const {
  std::string out = str_cat(path_, ": ", data_.texts.size(), " examples\n\n");
  TableLines measures;
  for (const auto& [name, value] : overall_) measures.push_back({name, four_decimals(name, value)});
  out += table_text(measures);
  if (!outputs_.empty()) {
    std::vector<std::string> names;
    for (const auto& [name, value] : outputs_.front().second) names.push_back(name);
    out += "\n" + table_text(named_lines("", names, outputs_));
  }
  out += confusion_text();
  if (!groups_.empty()) out += "\n" + table_text(named_lines("group", main_measures(model_.task().target()), groups_));
  if (!mistakes_.empty()) out += mistakes_text(width);
  return out;
}

}  // namespace attune
