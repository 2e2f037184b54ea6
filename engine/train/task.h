// What a model is trained for: the form of its labels, the loss of a batch, and the measures of a split.
//
// Training knows tasks only through this class. Each task has its file in engine/train/tasks/ and its line in the table
// of task.cpp: a further task is one file and one line.
//
// Labels belong to examples: [B] or [B, L] for a batch of B texts. A task with a label for every token would have labels
// [N], row by row of the packed batch, and language modelling would take them from the ids themselves; its logits would
// be [N, L] too. What such a task changes outside its file is where labels are gathered (engine/train/example_store.h) and
// the rows that Evaluator collects.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/autograd/variable.h"

namespace attune {

/// A number that says how good the predictions of a split are; nan where it is undefined.
struct Measure {
  std::string name;  // as in the log file, e.g. "accuracy"
  double value;
};

/// A measure that is printed.
struct Headline {
  std::string_view measure;  // its name
  std::string_view title;    // as it is printed, e.g. "accuracy"
  bool percent;              // printed as percent, or as a plain number
  bool larger_is_better;
};

/// The labels of examples as a tensor: [B] where width is 0, else [B, width].
struct LabelForm {
  DType dtype = DType::kInt32;
  std::int64_t width = 0;

  Shape shape(std::int64_t examples) const { return width == 0 ? Shape{examples} : Shape{examples, width}; }
};

class Task {
 public:
  virtual ~Task() = default;
  /// The name that the ecosystem's config.json has for it: problem_type.
  virtual std::string_view problem_type() const = 0;
  /// Columns of the logits.
  virtual std::int64_t outputs() const = 0;
  virtual LabelForm labels() const = 0;

  /// The mean loss [1] of a batch from its logits [B, outputs()] and labels, on the logits' device.
  virtual Variable loss(const Variable& logits, const Tensor& labels) const = 0;
  /// Every measure of E examples from their logits [E, outputs()] and labels, host tensors. E may be 0.
  virtual std::vector<Measure> measure(const Tensor& logits, const Tensor& labels) const = 0;
  /// The measures to print at the end of an epoch and of a run. The first is the main one: it tells which of two models
  /// is the better one.
  virtual std::vector<Headline> headlines() const = 0;
};

/// What a task may be made with.
struct TaskOptions {
  std::int64_t outputs = 2;  // columns of the logits: classes, labels or numbers
};

/// The task of a problem_type. Throws Error naming the known ones where it is none of them.
std::unique_ptr<Task> make_task(std::string_view problem_type, const TaskOptions& options);
/// Every problem_type, the default first.
std::vector<std::string> problem_types();

}  // namespace attune
