#include "engine/train/task.h"

#include <array>

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

}  // namespace

std::unique_ptr<Task> make_task(std::string_view problem_type, const TaskOptions& options) {
  return find_task(problem_type).make(options);
}

std::vector<TaskKind> task_kinds() {
  std::vector<TaskKind> out;
  for (const Entry& entry : kTasks) out.push_back(entry.kind);
  return out;
}

TaskKind task_kind(std::string_view problem_type) {
  return find_task(problem_type).kind;
}

}  // namespace attune
