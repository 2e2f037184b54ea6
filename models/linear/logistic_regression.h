// L2-regularised logistic regression over counts: the strong, cheap baseline that a transformer must beat.
//
// Two classes share one row of coefficients (class 1 if x w + b > 0, strictly); more have one row each (softmax, the
// first of equal scores). The objective is in logistic_objective.h, its minimisation in minimise.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/linear/minimise.h"
#include "models/linear/word_counts.h"

namespace attune {

struct LogisticRegression {
  std::vector<std::int32_t> classes;  // the labels it knows, ascending
  std::int32_t columns = 0;
  std::vector<double> weights;  // [outputs, columns]
  std::vector<double> bias;     // [outputs]

  /// Rows of coefficients: 1 for two classes, else one per class.
  int outputs() const { return static_cast<int>(bias.size()); }
};

struct LogisticOptions {
  double c = 1;  // inverse strength of the penalty, as scikit-learn's C
  MinimiseOptions minimise;
};

struct LogisticFit {
  LogisticRegression model;
  double objective = 0, gradient = 0;  // at the solution; gradient: largest component, absolute
  std::int64_t iterations = 0;
  MinimiseEnd end = MinimiseEnd::kConverged;
};

/// Learns from counts and one label per row. Throws Error on fewer than two classes, no rows, no columns, bad options.
LogisticFit fit_logistic_regression(const CountMatrix& counts, std::span<const std::int32_t> labels,
                                    const LogisticOptions& options);

/// P(class | row), [rows, classes]. Throws Error unless the counts have the model's columns.
std::vector<double> predict_probabilities(const LogisticRegression& model, const CountMatrix& counts);
/// The label predicted for every row.
std::vector<std::int32_t> predict_labels(const LogisticRegression& model, const CountMatrix& counts);

/// The most frequent label (the lowest if several are equal): a baseline that does not read the texts. Throws Error on
/// no labels.
std::int32_t most_frequent_label(std::span<const std::int32_t> labels);

struct WordWeight {
  std::int32_t column;
  double weight;
};
/// The `count` columns with the strongest weights for a class (an index into model.classes), strongest first; if
/// weights are equal, the first column. With two classes, the columns of class 0 have the most negative weights.
std::vector<WordWeight> strongest_columns(const LogisticRegression& model, int class_index, std::int64_t count);

}  // namespace attune
