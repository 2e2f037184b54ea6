// The tasks of task.cpp's table, and the code that they share.
#pragma once

#include <span>

#include "engine/tensor/tensor.h"
#include "engine/train/measures.h"
#include "engine/train/task.h"

namespace attune {

std::unique_ptr<Task> make_single_label(const TaskOptions& options);
std::unique_ptr<Task> make_multi_label(const TaskOptions& options);
std::unique_ptr<Task> make_regression(const TaskOptions& options);

/// The names of the outputs, or their numbers if they have no names.
std::vector<std::string> output_names(const TaskOptions& options);
/// Weights [outputs] for a loss, on the options' device; undefined if there are none. Throws Error, starting with
/// `what`, unless there is one for each output, all are finite in float32, none is below 0, and not all are 0.
Tensor weights_tensor(const char* what, const std::vector<double>& weights, const TaskOptions& options);
/// Logits in double precision, divided by the temperature.
Tensor divided_by_temperature(const Tensor& logits, const TaskOptions& options);
/// Whether every output has measures of its own: not if there are so many that no one reads them.
constexpr bool scored(std::int64_t outputs) {
  return outputs <= 500;
}
/// Adds the areas under the ROC and the precision-recall curve, means over the classes that have one; then precision,
/// recall, F1, support and both areas of each class: "f1.NAME". `scores` and `positive` are [E, classes] row by row;
/// nothing is added unless classes are scored().
void append_scores(std::vector<Measure>& to, const std::vector<std::string>& names,
                   std::span<const measures::Counts> counts, std::span<const double> scores,
                   std::span<const std::uint8_t> positive);

}  // namespace attune
