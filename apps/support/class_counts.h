// The table of a run's splits: examples of each class, lengths, repeated and empty texts; and mistakes in the training
// labels.
#pragma once

#include <string>
#include <vector>

#include "apps/support/text_facts.h"
#include "engine/tensor/tensor.h"

namespace attune {

/// One split: its title, its labels, int32 [E] (classes) or float32 [E, L], and what its texts are like.
struct SplitSummary {
  std::string title;
  Tensor labels;
  TextFacts texts = {};
};

/// Prints a table: for each class or label its name and the number of its examples in every split, then the number of
/// examples and the lengths of the texts. Of many classes, only the first are printed; none if the labels are numbers,
/// without `names`.
void print_splits(const std::vector<std::string>& names, const std::vector<SplitSummary>& splits);

/// Prints a warning on standard error if texts are empty, and one if texts occur more than once, in a split or in two.
void warn_of_texts(const std::vector<SplitSummary>& splits);

/// Prints a warning on standard error if all labels int32 [E] are one class.
void warn_of_one_class(const Tensor& labels, const std::string& title);

/// Throws Error if the training labels look like a mistake: integer classes, up to the largest in the data, without an
/// example; a class or label with a single example; examples of one class only. `path` names the file. Classes below
/// `expected` may have no example. If the labels are `trusted`, the last mistake is a warning, the others are accepted.
void check_training_labels(const Tensor& labels, const std::vector<std::string>& names, std::int64_t expected,
                           bool trusted, const std::string& path);

}  // namespace attune
