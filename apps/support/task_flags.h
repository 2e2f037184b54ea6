// The task on the command line: its name, the columns of its labels, and the options of its loss.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/support/labels.h"
#include "apps/support/validation_fit.h"
#include "engine/train/task.h"
#include "json/value.h"

namespace attune {

class CommandLine;

struct TaskFlags {
  std::string task;  // single_label, multi_label or regression; empty: that of the model's folder, or single_label
  std::string label_column;
  std::string label_columns;  // "a,b,c", in place of label_column
  std::string label_delimiter = ",";
  std::int64_t num_classes = 2;
  bool trust_labels = false, calibrate = false;
  std::string class_weights, positive_weights, thresholds;
  double label_smoothing = 0;

  void declare(CommandLine& app);
  /// What is fitted to the validation split after training.
  FitChoice fit() const;
  /// The columns that labels are read from; one empty name if no flag names any.
  std::vector<std::string> columns() const;
  /// The problem_type of --task, else `of_folder`, else single_label_classification. Throws UsageError if another flag
  /// does not belong to it.
  std::string problem_type(const std::string& of_folder) const;
  /// The reader of its labels.
  std::unique_ptr<LabelReader> reader(const std::string& problem_type) const;
  /// The task for models on a device. `labels` are those of the training rows. Throws UsageError if a list of weights
  /// or thresholds does not fit the outputs.
  /// `config`: that of the model's folder, if its head is kept: its thresholds stay where --threshold gives none.
  std::unique_ptr<Task> make(const std::string& problem_type, const LabelReader& reader, const Tensor& labels,
                             const std::optional<json::Value>& config, Device device) const;
};

/// One number for each name, from "0.5,2", from "good=0.5,bad=2" (`fallback` for names that are missing), or, if
/// `one_for_all`, also from "0.5". `flag` is named in errors. Throws UsageError if the text is none of these.
std::vector<double> number_list(const std::string& flag, const std::string& text, const std::vector<std::string>& names,
                                double fallback, bool one_for_all);

}  // namespace attune
