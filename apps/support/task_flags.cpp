#include "apps/support/task_flags.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>

#include "apps/support/command_line.h"
#include "apps/support/task_config.h"
#include "base/check.h"

namespace attune {
namespace {

constexpr const char *kBalanced = "balanced", *kTuned = "tuned";

std::optional<double> number_of(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> out(1);
  for (const char c : text)
    if (c == ',')
      out.emplace_back();
    else
      out.back() += c;
  return out;
}

// A list of weights on the command line: finite, none below 0.
std::vector<double> weight_list(const char* flag, const std::string& text, const std::vector<std::string>& names) {
  std::vector<double> out = number_list(flag, text, names, 1, false);
  for (const double weight : out)
    if (!(weight >= 0) || !std::isfinite(static_cast<float>(weight)))
      throw UsageError(str_cat(flag, ": the weight ", weight, " is not a finite number from 0 on"));
  return out;
}

}  // namespace

std::vector<double> number_list(const std::string& flag, const std::string& text, const std::vector<std::string>& names,
                                double fallback, bool one_for_all) {
  const std::vector<std::string> entries = split(text);
  std::vector<double> out;
  if (text.find('=') == std::string::npos) {
    for (const std::string& entry : entries) {
      const std::optional<double> value = number_of(entry);
      if (!value) throw UsageError(flag + ": '" + entry + "' is not a number");
      out.push_back(*value);
    }
    if (one_for_all && out.size() == 1) out.resize(names.size(), out[0]);
    if (out.size() != names.size())
      throw UsageError(str_cat(flag, ": there are ", out.size(), " numbers for ", names.size(), " classes or labels"));
    return out;
  }
  out.assign(names.size(), fallback);
  std::vector<bool> given(names.size());
  for (const std::string& entry : entries) {
    const std::size_t at = std::min(entry.rfind('='), entry.size());
    auto name = std::ranges::find(names, entry.substr(0, at));
    if (name == names.end()) name = std::ranges::find(names, "LABEL_" + entry.substr(0, at));  // a class without a name
    if (name == names.end())
      throw UsageError(flag + ": '" + entry.substr(0, at) + "' is no class or label of the data");
    const auto place = static_cast<std::size_t>(name - names.begin());
    if (given[place]) throw UsageError(flag + ": '" + entry.substr(0, at) + "' is named twice");
    given[place] = true;
    const std::optional<double> value = at == entry.size() ? std::nullopt : number_of(entry.substr(at + 1));
    if (!value) throw UsageError(flag + ": '" + entry + "' has no number");
    out[place] = *value;
  }
  return out;
}

void TaskFlags::declare(CommandLine& app) {
  std::vector<std::string> tasks;
  for (const TaskKind& kind : task_kinds()) tasks.emplace_back(kind.flag);
  app.add_option("--task", task,
                 "single_label (one class of several), multi_label (any of several labels) or regression (numbers); "
                 "default: the problem_type of the model's folder, or single_label")
      ->check(one_of(tasks))
      ->group("Task");
  Flag* column =
      app.add_option(
             "--label_column", label_column,
             "Column of the labels: 0 .. n-1 or names; for multi_label several in one field; for regression a number "
             "(default: label, or the only one called class, category, target, sentiment, y)")
          ->group("Task");
  Flag* delimiter =
      app.add_option("--label_delimiter", label_delimiter, "multi_label: separator between the labels of one field")
          ->capture_default_str()
          ->group("Task");
  app.add_option("--label_columns", label_columns,
                 "Columns a,b,c instead: for multi_label 0 or 1 in each, for regression a number")
      ->excludes(column)
      ->excludes(delimiter)
      ->group("Task");
  app.add_option("--num_classes", num_classes,
                 "single_label: minimum number of classes; the training labels may have more")
      ->check(count_from(2, 100000))
      ->capture_default_str()
      ->group("Task");
  app.add_flag(
         "--trust_labels", trust_labels,
         "Accept training labels that look like mistakes: integers with gaps below the largest (up to --num_classes "
         "there may be gaps), a class or label with a single example, a single class of integers (with a warning)")
      ->group("Task");
  app.add_option("--class_weights", class_weights,
                 "single_label: weights of the classes in the loss, 0 or more: 1,2.5 or name=2.5,... or balanced")
      ->group("Task");
  app.add_option("--label_smoothing", label_smoothing,
                 "single_label: share of the target that is spread over all classes, in [0, 1)")
      ->check(dropout_probability())
      ->capture_default_str()
      ->group("Task");
  app.add_option("--positive_weights", positive_weights,
                 "multi_label: weights of the examples with a label: 1,2.5 or name=2.5,... or balanced")
      ->group("Task");
  app.add_option(
         "--threshold", thresholds,
         "multi_label: a label is predicted above this probability: 0.5, or one for each label: 0.3,0.5 or "
         "name=0.3,...; or tuned: those of each label's best F1 on the validation split after training; saved in "
         "config.json")
      ->group("Task");
  app.add_flag(
         "--calibrate", calibrate,
         "After training, fit a temperature to the validation split that logits are divided by before they become "
         "probabilities; saved in config.json (evaluate --calibrate does it for a saved model)")
      ->group("Task");
}

FitChoice TaskFlags::fit() const {
  return {.temperature = calibrate, .thresholds = thresholds == kTuned};
}

std::vector<std::string> TaskFlags::columns() const {
  return label_columns.empty() ? std::vector{label_column} : split(label_columns);
}

std::string TaskFlags::problem_type(const std::string& of_folder) const {
  std::string type = of_folder.empty() ? std::string(kSingleLabel) : of_folder;
  for (const TaskKind& kind : task_kinds())
    if (kind.flag == task) type = kind.problem_type;
  const auto belongs = [&](const char* flag, bool given, std::string_view to) {
    if (given && type != to)
      throw UsageError(str_cat(flag, " belongs to --task ", task_kind(to).flag, ", not to ", task_kind(type).flag));
  };
  const TaskFlags none;
  belongs("--num_classes", num_classes != none.num_classes, kSingleLabel);
  belongs("--class_weights", !class_weights.empty(), kSingleLabel);
  belongs("--label_smoothing", label_smoothing != 0, kSingleLabel);
  belongs("--label_delimiter", label_delimiter != none.label_delimiter, kMultiLabel);
  belongs("--positive_weights", !positive_weights.empty(), kMultiLabel);
  belongs("--threshold", !thresholds.empty(), kMultiLabel);
  if (calibrate && type == kRegression)
    throw UsageError("--calibrate needs probabilities, and --task regression predicts numbers");
  if (task_kind(type).target == Target::kClass && columns().size() > 1)
    throw UsageError(str_cat("--task ", task_kind(type).flag, " reads one --label_column, not ", columns().size()));
  const std::vector<std::string> names = columns();
  if (std::set(names.begin(), names.end()).size() != names.size())
    throw UsageError("--label_columns names a column twice");
  if (label_delimiter.empty()) throw UsageError("--label_delimiter must not be empty");
  return type;
}

std::unique_ptr<LabelReader> TaskFlags::reader(const std::string& problem_type) const {
  const std::vector<std::string> names = columns();
  switch (task_kind(problem_type).target) {
    case Target::kNumbers:
      return std::make_unique<NumberLabels>(names, false);
    case Target::kLabels:
      if (!label_columns.empty()) return std::make_unique<NumberLabels>(names, true);
      return std::make_unique<ListedLabels>(names.front(), label_delimiter);
    case Target::kClass:
      break;
  }
  return std::make_unique<ClassLabels>(names.front(), num_classes);
}

std::unique_ptr<Task> TaskFlags::make(const std::string& problem_type, const LabelReader& reader, const Tensor& labels,
                                      const std::optional<json::Value>& config, Device device) const {
  const std::vector<std::string> names = reader.names();
  TaskOptions options{.outputs = std::ssize(names), .output_names = names, .device = device};
  options.label_smoothing = label_smoothing;
  if (class_weights == kBalanced)
    options.class_weights = balanced_class_weights(labels, names);
  else if (!class_weights.empty())
    options.class_weights = weight_list("--class_weights", class_weights, names);
  if (positive_weights == kBalanced)
    options.positive_weights = balanced_positive_weights(labels, names);
  else if (!positive_weights.empty())
    options.positive_weights = weight_list("--positive_weights", positive_weights, names);
  if (thresholds.empty() && config && problem_type == kMultiLabel)
    options.thresholds = kept_thresholds(*config, names, options.temperature);
  if (!thresholds.empty() && thresholds != kTuned) {
    options.thresholds = number_list("--threshold", thresholds, names, 0.5, true);
    for (const double t : options.thresholds)
      if (!(t > 0 && t < 1)) throw UsageError(str_cat("--threshold: ", t, " is not in (0, 1)"));
  }
  return make_task(problem_type, options);
}

}  // namespace attune
