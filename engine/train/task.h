// A task: the form of the labels, the loss of a batch, and the measures of a split.
//
// Training knows tasks only through this class. Each task has its file in engine/train/tasks/ and its entry in the
// table of task.cpp (docs/tour.md lists the steps for a new task).
//
// Labels belong to examples: [B] or [B, L] for a batch of B texts. A task with a label for every token would have
// labels [N], row by row of the packed batch, and language modelling would take them from the ids themselves; its
// logits would be [N, L] too. Outside its file, such a task changes how labels are gathered
// (engine/train/example_store.h) and which rows Evaluator collects.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/autograd/variable.h"

namespace attune {

/// A number that says how good the predictions of a split are; nan if it is undefined.
struct Measure {
  std::string name;  // as in the log file, e.g. "accuracy"
  double value;
  bool is_error = false;  // a smaller value is better
};

/// A measure that is printed.
struct Headline {
  std::string_view measure;  // its name
  std::string_view title;    // as it is printed, e.g. "accuracy"
  bool percent;              // printed as percent, or as a plain number
};

/// The labels of examples as a tensor: [B] if width is 0, else [B, width].
struct LabelForm {
  DType dtype = DType::kInt32;
  std::int64_t width = 0;

  Shape shape(std::int64_t examples) const { return width == 0 ? Shape{examples} : Shape{examples, width}; }
};

// Names of config.json's problem_type.
inline constexpr std::string_view kSingleLabel = "single_label_classification";
inline constexpr std::string_view kMultiLabel = "multi_label_classification";
inline constexpr std::string_view kRegression = "regression";

/// The kind of a task's predictions. It decides how labels are read and how predictions are printed.
enum class Target : std::uint8_t { kClass, kLabels, kNumbers };

/// A task by its names: on a command line, and in config.json.
struct TaskKind {
  std::string_view flag;  // "single_label"
  std::string_view problem_type;
  Target target;
};
/// Every task there is.
std::vector<TaskKind> task_kinds();
/// The task of a problem_type. Throws Error naming the known ones if it is none of them.
TaskKind task_kind(std::string_view problem_type);

/// The prediction from the logits of one text.
struct Prediction {
  std::vector<double> probabilities = {};  // of each output; none if outputs are numbers
  std::vector<std::int32_t> chosen = {};   // the outputs that are predicted, in order; none if they are numbers
};

/// The options of a task.
struct TaskOptions {
  std::int64_t outputs = 2;                    // columns of the logits: classes, labels or numbers
  std::vector<std::string> output_names = {};  // for the names of measures; empty: their numbers
  DType dtype = DType::kFloat32;               // of the logits
  Device device = Device::kCpu;                // of the logits
  std::vector<double> class_weights = {};      // single label: factors of the classes' losses; empty: none
  double label_smoothing = 0;  // single label: the share of the target spread over all classes, in [0, 1)
  std::vector<double> positive_weights = {};  // several labels: factors of the positive examples' losses; empty: none
  std::vector<double> thresholds = {};        // several labels: in (0, 1); empty: 0.5
  double temperature = 1;  // what logits are divided by before they become probabilities (engine/train/calibration.h)
};

class Task {
 public:
  /// Throws Error if the temperature is not a finite number above 0.
  explicit Task(TaskOptions options);
  virtual ~Task() = default;
  /// The options that it was made with.
  const TaskOptions& options() const { return options_; }
  /// The problem_type of config.json, as the Hugging Face libraries name it.
  virtual std::string_view problem_type() const = 0;
  Target target() const { return task_kind(problem_type()).target; }
  /// Columns of the logits.
  virtual std::int64_t outputs() const = 0;
  virtual LabelForm labels() const = 0;

  /// The mean loss [1] of a batch from its logits [B, outputs()] and labels, on the logits' device. The temperature does
  /// not change it.
  virtual Variable loss(const Variable& logits, const Tensor& labels) const = 0;
  /// What the examples with these labels (as above, host tensors) count in the mean of a larger batch: their number, or
  /// the sum of their weights.
  virtual double weight(const Tensor& labels, std::span<const std::int32_t> examples) const;
  /// Every measure of E examples from their logits [E, outputs()] and labels, host tensors. E may be 0.
  virtual std::vector<Measure> measure(const Tensor& logits, const Tensor& labels) const = 0;
  /// Reads one row of logits [outputs()].
  virtual Prediction predict(std::span<const double> logits) const = 0;
  /// The probability above which each output is predicted, saved with the model; empty if the task has none.
  virtual std::vector<double> thresholds() const { return {}; }
  /// The measures to print at the end of an epoch and of a run. The first is the main one: it decides which of two
  /// models is better.
  virtual std::vector<Headline> headlines() const = 0;

 private:
  TaskOptions options_;
};

/// What one model can be better in than another: "loss", and the measures of the task.
std::vector<std::string> qualities(const Task& task);
/// Whether a smaller value of one of its qualities is better.
bool smaller_is_better(const Task& task, std::string_view quality);

/// The task of a problem_type. Throws Error naming the known ones if it is none of them.
std::unique_ptr<Task> make_task(std::string_view problem_type, const TaskOptions& options);

/// Weights that give every class the same share of the loss, from labels int32 [E]: E / (L count). Throws Error naming a
/// class without examples; `names` are those of the L classes.
std::vector<double> balanced_class_weights(const Tensor& labels, const std::vector<std::string>& names);
/// Weights that give the examples with a label and those without the same share, from labels float32 [E, L]:
/// negatives / positives. Throws Error naming a label that no example has, or all have.
std::vector<double> balanced_positive_weights(const Tensor& labels, const std::vector<std::string>& names);

}  // namespace attune
