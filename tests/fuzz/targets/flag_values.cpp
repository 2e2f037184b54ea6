// Values of flags that have a form of their own. Input: two values, and a byte for the task.
#include <cmath>

#include "apps/support/download.h"
#include "apps/support/training_flags.h"
#include "engine/optim/lr_schedule.h"
#include "models/gpt2/gpt2.h"
#include "tests/fuzz/harness.h"

namespace attune::fuzz {
namespace {

// From the flags to the task, as a training run does it, for three rows of labels.
void make_task_of(const TaskFlags& flags) {
  const std::string type = flags.problem_type("");
  const auto reader = flags.reader(type);
  const bool names = flags.task == "multi_label" && flags.label_columns.empty();
  for (const std::string row : {names ? "good" : "1", names ? "good,bad" : "0", names ? "bad" : "1"})
    reader->add(std::vector<std::string>(reader->columns().size(), row), [] { return std::string("row"); });
  const Tensor labels = reader->finish("train.csv");
  const auto task = flags.make(type, *reader, labels, std::nullopt, Device::kCpu);
  require(task->thresholds().empty() || std::ssize(task->thresholds()) == reader->outputs(), "a threshold per label");
}

}  // namespace

void run(std::string_view input) {
  const auto parts = parts_of(input, 3);
  const std::string first(parts[0]), second(parts[1]);
  limit_tensors(std::size_t{1} << 22);
  succeeds([&] {
    const std::vector<std::string> names = {"good", "bad", second};
    require(number_list("--threshold", first, names, 0.5, true).size() == names.size(), "a number for each name");
    accepted();
  });
  succeeds([&] {
    const std::string name = file_name_of_url(first);
    require(!name.empty() && name.find('/') == std::string::npos && name != "..", "a file of the output folder");
  });
  succeeds([&] {
    TrainingFlags flags;
    flags.context_length = first;
    const std::int64_t length = flags.max_length(7, 9);
    require(length >= 1 && length <= 9, "a length that the model has");
  });
  succeeds([&] { (void)trainable_layers(first); });
  succeeds([&] { (void)head_position(first); });
  succeeds([&] { (void)lr_schedule_kind(first); });
  static constexpr const char* kTasks[] = {"", "single_label", "multi_label", "regression"};
  const unsigned char bits = parts[2].empty() ? 0 : static_cast<unsigned char>(parts[2][0]);
  TaskFlags flags;
  flags.task = kTasks[bits % 4];
  if ((bits & 4) != 0) flags.label_columns = second;
  if ((bits & 8) != 0) flags.label_delimiter = second;
  if ((bits & 16) != 0) flags.class_weights = first;
  if ((bits & 32) != 0) flags.positive_weights = first;
  if ((bits & 64) != 0) flags.thresholds = first;
  make_task_of(flags);
}

}  // namespace attune::fuzz
