#include "engine/train/task.h"

#include <array>

#include "base/check.h"
#include "engine/train/tasks/tasks.h"

namespace attune {
namespace {

struct Entry {
  std::string_view problem_type;
  std::unique_ptr<Task> (*make)(const TaskOptions& options);
};
constexpr std::array kTasks = {Entry{kSingleLabel, make_single_label}, Entry{kMultiLabel, make_multi_label},
                               Entry{kRegression, make_regression}};

}  // namespace

std::unique_ptr<Task> make_task(std::string_view problem_type, const TaskOptions& options) {
  std::string known;
  for (const Entry& entry : kTasks) {
    if (entry.problem_type == problem_type) return entry.make(options);
    known += (known.empty() ? "" : ", ") + std::string(entry.problem_type);
  }
  throw Error(str_cat("there is no task '", problem_type, "'; there are ", known));
}

std::vector<std::string> problem_types() {
  std::vector<std::string> out;
  for (const Entry& entry : kTasks) out.emplace_back(entry.problem_type);
  return out;
}

}  // namespace attune
