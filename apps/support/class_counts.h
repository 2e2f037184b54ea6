// The number of examples of each class or label in every split, and mistakes in the training labels that they show.
#pragma once

#include <string>
#include <vector>

#include "engine/tensor/tensor.h"

namespace attune {

/// One split: its title, and its labels, int32 [E] (classes) or float32 [E, L] (0 or 1 for each label).
struct SplitLabels {
  std::string title;
  Tensor labels;
};

/// Prints a table: for each class or label its name and the number of its examples in every split. Of many classes,
/// only the first are printed.
void print_class_counts(const std::vector<std::string>& names, const std::vector<SplitLabels>& splits);

/// Throws Error if the training labels look like a mistake: integer classes, up to the largest in the data, without an
/// example; a class or label with a single example; examples of one class only. `path` names the file. Classes below
/// `expected` may have no example. If the labels are `trusted`, the last mistake is a warning, the others are accepted.
void check_training_labels(const Tensor& labels, const std::vector<std::string>& names, std::int64_t expected,
                           bool trusted, const std::string& path);

}  // namespace attune
