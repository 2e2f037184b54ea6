#include "engine/train/task.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "base/join.h"
#include "engine/train/tasks/tasks.h"

namespace attune {
namespace {

struct Entry {
  TaskKind kind;
  std::unique_ptr<Task> (*make)(const TaskOptions& options);
};
constexpr std::array kTasks = {Entry{{"single_label", kSingleLabel, Target::kClass}, make_single_label},
                               Entry{{"multi_label", kMultiLabel, Target::kLabels}, make_multi_label},
                               Entry{{"regression", kRegression, Target::kNumbers}, make_regression}};

const Entry& find_task(std::string_view problem_type) {
  for (const Entry& entry : kTasks)
    if (entry.kind.problem_type == problem_type) return entry;
  throw Error(str_cat("there is no task '", problem_type, "'; there are ",
                      join(kTasks, [](const Entry& entry) { return entry.kind.problem_type; })));
}

// The measures that a task has, without values.
std::vector<Measure> measures_of_nothing(const Task& task) {
  const LabelForm form = task.labels();
  return task.measure(Tensor::zeros({0, task.outputs()}, DType::kFloat64), Tensor::zeros(form.shape(0), form.dtype));
}

}  // namespace

Task::Task(TaskOptions options) : options_(std::move(options)) {
  CHECK(options_.temperature > 0 && std::isfinite(options_.temperature), "the temperature ", options_.temperature,
        " is not a finite number above 0");
}

std::unique_ptr<Task> make_task(std::string_view problem_type, const TaskOptions& options) {
  return find_task(problem_type).make(options);
}

std::vector<TaskKind> task_kinds() {
  std::vector<TaskKind> out;
  for (const Entry& entry : kTasks) out.push_back(entry.kind);
  return out;
}

double Task::weight(const Tensor&, std::span<const std::int32_t> examples) const {
  return static_cast<double>(examples.size());
}

std::vector<std::string> qualities(const Task& task) {
  std::vector<std::string> out = {"loss"};
  for (const Measure& measure : measures_of_nothing(task))
    if (!measure.name.starts_with("support.")) out.push_back(measure.name);  // a count of examples
  return out;
}

bool smaller_is_better(const Task& task, std::string_view quality) {
  return quality == "loss" || std::ranges::any_of(measures_of_nothing(task), [&](const Measure& measure) {
           return measure.is_error && measure.name == quality;
         });
}

TaskKind task_kind(std::string_view problem_type) {
  return find_task(problem_type).kind;
}

}  // namespace attune
