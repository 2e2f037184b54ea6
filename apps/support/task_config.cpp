#include "apps/support/task_config.h"

#include <algorithm>
#include <iostream>

#include "base/check.h"
#include "base/join.h"
#include "base/printable.h"
#include "engine/train/calibration.h"
#include "models/hf_config.h"

namespace attune {
namespace {

constexpr const char *kThresholds = "attune_thresholds", *kTemperature = "attune_temperature";

}  // namespace

json::Value task_json(const Task& task) {
  json::Value out = json::Value::object({{"problem_type", task.problem_type()}});
  const std::vector<double> thresholds = task.thresholds();
  if (!thresholds.empty()) out.set(kThresholds, json::Value::array_of(thresholds));
  return out;
}

std::string problem_type_of(const json::Value& config) {
  std::string type = config.string_or("problem_type", "");
  const std::vector<TaskKind> kinds = task_kinds();
  if (type.empty() || std::ranges::count(kinds, type, &TaskKind::problem_type) > 0) return type;
  const std::string names = join(kinds, &TaskKind::problem_type);
  config["problem_type"].fail("'" + printable(type) + "' is not supported (" + names + " are)");
}

json::Value fitted_json(const Task& task) {
  json::Value out = json::Value::object({{kTemperature, task.options().temperature}});
  const std::vector<double> thresholds = task.thresholds();
  if (!thresholds.empty()) out.set(kThresholds, json::Value::array_of(thresholds));
  return out;
}

double temperature_of(const json::Value& config) {
  return config.positive_or(kTemperature, 1);
}

std::vector<double> kept_thresholds(const json::Value& config, const std::vector<std::string>& output_names,
                                    double temperature) {
  std::vector<double> out;
  const auto thresholds = config.find(kThresholds);
  if (!thresholds || complete_label_names(label_names(config), std::ssize(output_names)) != output_names) return out;
  for (const json::Value& item : thresholds->items()) {
    out.push_back(item.number());
    if (!(item.number() > 0 && item.number() < 1)) item.fail(str_cat("must be in (0, 1), found ", item.number()));
  }
  if (out.size() != output_names.size())
    thresholds->fail(str_cat("there are ", out.size(), " for ", output_names.size(), " labels"));
  if (const double saved = temperature_of(config); saved != temperature)
    for (double& threshold : out) threshold = moved_threshold(threshold, saved, temperature);
  return out;
}

bool keeps_head(const std::string& folder, const json::Value& config, std::string_view problem_type,
                const std::vector<std::string>& output_names, bool fresh_head) {
  const bool same_outputs = problem_type_of(config) == problem_type && label_names(config) == output_names;
  const char* why = fresh_head                         ? "--fresh_head"
                    : !config.has("attune_max_length") ? "the folder was not saved by attune"
                    : !same_outputs                    ? "its outputs are others than those of the data"
                                                       : nullptr;
  if (why == nullptr)
    std::cout << "The head of " << folder << " is kept (--fresh_head makes a new one)" << std::endl;
  else
    std::cout << "The head of " << folder << " is replaced by a new one: " << why << std::endl;
  return why == nullptr;
}

std::unique_ptr<Task> read_task(const json::Value& config, const std::vector<std::string>& output_names,
                                bool calibrated) {
  TaskOptions options{.outputs = std::ssize(output_names), .output_names = output_names};
  std::string type = problem_type_of(config);
  if (type.empty()) type = options.outputs == 1 ? kRegression : kSingleLabel;
  if (calibrated && type != kRegression) options.temperature = temperature_of(config);
  if (type == kMultiLabel) options.thresholds = kept_thresholds(config, output_names, options.temperature);
  return make_task(type, options);
}

}  // namespace attune
