#include "apps/support/validation_fit.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <iostream>
#include <map>
#include <utility>
#include <vector>

#include "apps/support/text_table.h"
#include "base/check.h"
#include "base/join.h"
#include "base/printable.h"
#include "engine/train/calibration.h"
#include "engine/train/measures.h"

namespace attune {
namespace {

constexpr std::size_t kMaxShownLabels = 20, kMaxNameOfLabel = 40;

std::string four_digits(double value) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.4f", value);
  return text.data();
}

// The measures of a split before and after a fit.
class Comparison {
 public:
  Comparison(const Task& before, const Task& after, const Tensor& logits, const Tensor& labels)
      : before_(measures_of(before, logits, labels)), after_(measures_of(after, logits, labels)) {}

  bool has(const std::string& name) const { return before_.contains(name); }
  double before(const std::string& name) const { return before_.at(name); }
  double after(const std::string& name) const { return after_.at(name); }
  // "0.6931 -> 0.4127". Sets NAME_before and NAME in the record.
  std::string change(const std::string& name, json::Value& record) const {
    record.set(name + "_before", before(name));
    record.set(name, after(name));
    return four_digits(before(name)) + " -> " + four_digits(after(name));
  }

 private:
  static std::map<std::string, double> measures_of(const Task& task, const Tensor& logits, const Tensor& labels) {
    std::map<std::string, double> out;
    for (const Measure& measure : task.measure(logits, labels)) out[measure.name] = measure.value;
    return out;
  }

  std::map<std::string, double> before_, after_;
};

void warn_of_end(TemperatureFit::End end, const std::string& data) {
  const char* why = nullptr;
  switch (end) {
    case TemperatureFit::End::kMinimum:
      return;
    case TemperatureFit::End::kAtMin:
      why = "every prediction is right, or the logits differ little, so that the smallest temperature is taken";
      break;
    case TemperatureFit::End::kAtMax:
      why = "the logits predict worse than none, or differ much, so that the largest temperature is taken";
      break;
    case TemperatureFit::End::kConstant:
      why = "no temperature changes the log-loss; it stays 1";
      break;
  }
  std::cerr << "warning: --calibrate: " << data << ": " << why << std::endl;
}

// Several labels: whether each of them is there, by label.
std::vector<std::vector<std::uint8_t>> flags_by_label(const Tensor& labels) {
  std::vector<std::vector<std::uint8_t>> out(static_cast<std::size_t>(labels.shape()[1]));
  const std::span<const float> all = labels.values<float>();
  for (std::size_t i = 0; i < all.size(); ++i) out[i % out.size()].push_back(all[i] != 0 ? 1 : 0);
  return out;
}

void warn_of_one_class(const Task& task, const std::string& data, const Tensor& labels) {
  if (task.target() != Target::kClass) return;
  const std::span<const std::int32_t> all = labels.values<std::int32_t>();
  if (std::ranges::all_of(all, [&](std::int32_t label) { return label == all.front(); }))
    std::cerr << "warning: --calibrate: " << data
              << ": every example has one class; the temperature says nothing about the others" << std::endl;
}

std::vector<double> moved_thresholds(const Task& task, double temperature) {
  std::vector<double> out = task.thresholds();
  for (double& threshold : out) threshold = moved_threshold(threshold, task.options().temperature, temperature);
  return out;
}

std::vector<double> tuned_thresholds(const Task& task, const std::string& data, const Tensor& logits,
                                     const Tensor& labels) {
  const auto width = static_cast<std::size_t>(task.outputs());
  const Tensor exact = logits.cast(DType::kFloat64);
  std::vector<std::vector<double>> probabilities(width);
  for (std::size_t i = 0; i < static_cast<std::size_t>(exact.numel()); ++i)
    probabilities[i % width].push_back(measures::sigmoid(exact.values<double>()[i] / task.options().temperature));
  const std::vector<std::vector<std::uint8_t>> flags = flags_by_label(labels);
  std::vector<double> out;
  std::vector<std::string> without;
  for (std::size_t k = 0; k < width; ++k) {
    out.push_back(best_f1_threshold(probabilities[k], flags[k]).value);
    if (std::ranges::count(flags[k], 1) == 0)
      without.push_back(printable(task.options().output_names[k], kMaxNameOfLabel));
  }
  if (!without.empty())
    std::cerr << "warning: --threshold tuned: " << data << ": no example has " << join(without)
              << "; the threshold stays 0.5" << std::endl;
  return out;
}

// A line for each label, if they are few, and the thresholds in the record.
void show_thresholds(const Task& tuned, const Comparison& measures, json::Value& record, std::ostream& notes) {
  TableLines lines = {{"label", "threshold", "F1 before", "F1"}};
  json::Value thresholds = json::Value::object();
  for (std::size_t k = 0; k < tuned.thresholds().size(); ++k) {
    const std::string name = tuned.options().output_names[k], f1 = "f1." + name;
    thresholds.set(name, tuned.thresholds()[k]);
    if (measures.has(f1))
      lines.push_back({printable(name, kMaxNameOfLabel), four_digits(tuned.thresholds()[k]),
                       four_digits(measures.before(f1)), four_digits(measures.after(f1))});
  }
  record.set("thresholds", thresholds);
  if (lines.size() > 1 && lines.size() <= kMaxShownLabels + 1) notes << table_text(lines);
}

}  // namespace

ValidationFit fit_to_validation(const Task& task, FitChoice choice, const std::string& data, const Tensor& logits,
                                const Tensor& labels, std::ostream& notes) {
  CHECK(logits.shape()[0] > 0, data, ": has no examples to fit ", choice.temperature ? "a temperature" : "thresholds",
        " to");
  ValidationFit out{with_fit(task, task.options().temperature), json::Value::object({{"fitted_to", data}})};
  if (choice.temperature) {
    const TemperatureFit fit = fit_temperature(task, logits, labels);
    out.task = with_fit(task, fit.temperature,
                        choice.keeps_labels ? moved_thresholds(task, fit.temperature) : std::vector<double>());
    out.record.set("temperature", fit.temperature);
    const Comparison measures(task, *out.task, logits, labels);
    notes << "Temperature " << four_digits(fit.temperature) << " (" << data << "): log-loss "
          << measures.change("log_loss", out.record) << ", expected calibration error "
          << measures.change("ece", out.record) << std::endl;
    warn_of_one_class(task, data, labels);
    warn_of_end(fit.end, data);
  }
  if (choice.thresholds) {
    auto tuned =
        with_fit(*out.task, out.task->options().temperature, tuned_thresholds(*out.task, data, logits, labels));
    const Comparison measures(*out.task, *tuned, logits, labels);
    notes << "Thresholds of the best F1 (" << data << "): macro F1 " << measures.change("f1_macro", out.record)
          << std::endl;
    show_thresholds(*tuned, measures, out.record, notes);
    out.task = std::move(tuned);
  }
  return out;
}

}  // namespace attune
