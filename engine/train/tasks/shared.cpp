#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "engine/train/tasks/tasks.h"

namespace attune {

std::vector<std::string> output_names(const TaskOptions& options) {
  CHECK(options.outputs >= 1, "a task has at least one output, not ", options.outputs);
  if (options.output_names.empty()) {
    std::vector<std::string> numbers;
    for (std::int64_t k = 0; k < options.outputs; ++k) numbers.push_back(std::to_string(k));
    return numbers;
  }
  CHECK(std::ssize(options.output_names) == options.outputs, options.output_names.size(), " names for ",
        options.outputs, " outputs");
  return options.output_names;
}

Tensor weights_tensor(const char* what, const std::vector<double>& weights, const TaskOptions& options) {
  if (weights.empty()) return {};
  CHECK(std::ssize(weights) == options.outputs, what, ": there are ", weights.size(), " for ", options.outputs,
        " classes or labels");
  for (const double weight : weights)
    CHECK(weight >= 0 && std::isfinite(static_cast<float>(weight)), what, ": ", weight,
          " is not a finite number from 0 on");
  CHECK(std::ranges::any_of(weights, [](double weight) { return weight > 0; }), what, ": all are 0");
  return Tensor::from(weights, {options.outputs}).cast(options.dtype).to(options.device);
}

Tensor divided_by_temperature(const Tensor& logits, const TaskOptions& options) {
  std::vector<double> out;
  const Tensor exact = logits.cast(DType::kFloat64);
  for (const double z : exact.values<double>()) out.push_back(z / options.temperature);
  return Tensor::from(out, logits.shape());
}

void append_scores(std::vector<Measure>& to, const std::vector<std::string>& names,
                   std::span<const measures::Counts> counts, std::span<const double> scores,
                   std::span<const std::uint8_t> positive) {
  if (!scored(std::ssize(names))) return;
  std::vector<double> areas, precisions;
  std::vector<Measure> each;
  for (std::size_t k = 0; k < names.size(); ++k) {
    std::vector<double> of_class;
    std::vector<std::uint8_t> has_class;
    for (std::size_t i = k; i < scores.size(); i += names.size()) {
      of_class.push_back(scores[i]);
      has_class.push_back(positive[i]);
    }
    areas.push_back(measures::roc_auc(of_class, has_class));
    precisions.push_back(measures::average_precision(of_class, has_class));
    each.push_back({"precision." + names[k], counts[k].precision()});
    each.push_back({"recall." + names[k], counts[k].recall()});
    each.push_back({"f1." + names[k], counts[k].f1()});
    each.push_back({"support." + names[k], static_cast<double>(counts[k].support())});
    each.push_back({"roc_auc." + names[k], areas.back()});
    each.push_back({"average_precision." + names[k], precisions.back()});
  }
  to.push_back({"roc_auc", measures::mean_of_defined(areas)});
  to.push_back({"average_precision", measures::mean_of_defined(precisions)});
  to.insert(to.end(), each.begin(), each.end());
}

std::vector<double> balanced_class_weights(const Tensor& labels, const std::vector<std::string>& names) {
  std::vector<double> counts(names.size());
  for (const std::int32_t label : labels.values<std::int32_t>()) ++counts.at(static_cast<std::size_t>(label));
  std::vector<double> out;
  for (std::size_t k = 0; k < counts.size(); ++k) {
    CHECK(counts[k] > 0, "balanced class weights need an example of every class; '", names[k], "' has none");
    out.push_back(static_cast<double>(labels.numel()) / (static_cast<double>(counts.size()) * counts[k]));
  }
  return out;
}

std::vector<double> balanced_positive_weights(const Tensor& labels, const std::vector<std::string>& names) {
  std::vector<double> positives(names.size()), out;
  const std::span<const float> flags = labels.values<float>();
  for (std::size_t i = 0; i < flags.size(); ++i) positives[i % positives.size()] += flags[i];
  const auto examples = static_cast<double>(labels.shape()[0]);
  for (std::size_t k = 0; k < positives.size(); ++k) {
    CHECK(positives[k] > 0, "balanced positive weights need an example with every label; '", names[k], "' has none");
    CHECK(positives[k] < examples, "balanced positive weights need an example without the label '", names[k],
          "'; all have it");
    out.push_back((examples - positives[k]) / positives[k]);
  }
  return out;
}

}  // namespace attune
