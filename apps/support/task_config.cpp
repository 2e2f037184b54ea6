#include "apps/support/task_config.h"

#include <algorithm>

#include "base/check.h"
#include "base/printable.h"

namespace attune {
namespace {

constexpr const char* kThresholds = "attune_thresholds";

}  // namespace

json::Value task_json(const Task& task) {
  json::Value out = json::Value::object({{"problem_type", task.problem_type()}});
  const std::vector<double> thresholds = task.thresholds();
  if (!thresholds.empty()) out.set(kThresholds, json::Value::array_of(thresholds));
  return out;
}

std::string problem_type_of(const json::Value& config) {
  std::string type = config.string_or("problem_type", "");
  std::string names;
  for (const TaskKind& kind : task_kinds()) {
    if (type.empty() || type == kind.problem_type) return type;
    names += (names.empty() ? "" : ", ") + std::string(kind.problem_type);
  }
  config["problem_type"].fail("'" + printable(type) + "' is not supported (" + names + " are)");
}

std::unique_ptr<Task> read_task(const json::Value& config, const std::vector<std::string>& output_names) {
  TaskOptions options{.outputs = std::ssize(output_names), .output_names = output_names};
  std::string type = problem_type_of(config);
  if (type.empty()) type = options.outputs == 1 ? kRegression : kSingleLabel;
  if (const auto thresholds = config.find(kThresholds); thresholds && type == kMultiLabel) {
    for (const json::Value& item : thresholds->items()) {
      options.thresholds.push_back(item.number());
      if (!(item.number() > 0 && item.number() < 1)) item.fail(str_cat("must be in (0, 1), found ", item.number()));
    }
    if (options.thresholds.size() != output_names.size())
      thresholds->fail(str_cat("there are ", options.thresholds.size(), " for ", output_names.size(), " labels"));
  }
  return make_task(type, options);
}

}  // namespace attune
