// Measures of predictions: plain functions of host values in double precision, with the definitions of scikit-learn and
// SciPy.
//
// A ratio with denominator 0 is 0: the precision of a class that is never predicted, the recall of a class without
// examples (scikit-learn's zero_division=0). An undefined measure is nan: a correlation with constant numbers, the area
// under a curve without examples of one class.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/tensor/tensor.h"

namespace attune::measures {

/// Index of the largest of L logits for each of E rows, the first of equals; host tensor [E, L].
std::vector<std::int32_t> argmax_rows(const Tensor& logits);
/// The softmax of each row of a host tensor [E, L], row by row.
std::vector<double> softmax_rows(const Tensor& logits);
/// 1 / (1 + exp(-z)).
double sigmoid(double z);

/// Bins of equal width, open below, that calibration errors put probabilities into.
inline constexpr std::size_t kCalibrationBins = 15;
/// The bin of a probability.
std::size_t calibration_bin(double probability);

// Counts of one class against all others, or of one label.

struct Counts {
  std::int64_t true_positives = 0, false_positives = 0, false_negatives = 0;

  /// Examples that have the class.
  std::int64_t support() const { return true_positives + false_negatives; }
  double precision() const;
  double recall() const;
  double f1() const;
};
/// By class. `predicted` and `labels` are classes in [0, classes).
std::vector<Counts> class_counts(std::span<const std::int32_t> predicted, std::span<const std::int32_t> labels,
                                 std::int64_t classes);
/// A confusion matrix of more classes has more cells than anyone reads.
inline constexpr std::int64_t kMaxMatrixClasses = 500;
/// How many examples have a label and a prediction: [classes, classes], a row for each label.
std::vector<std::int64_t> confusion_matrix(std::span<const std::int32_t> predicted,
                                           std::span<const std::int32_t> labels, std::int64_t classes);
/// By label. `predicted` and `labels` are 0 or 1, [E, width] row by row.
std::vector<Counts> label_counts(std::span<const std::uint8_t> predicted, std::span<const std::uint8_t> labels,
                                 std::int64_t width);

/// The mean of the classes' F1.
double f1_macro(std::span<const Counts> counts);
/// F1 of the counts of all classes together; of single labels this is the accuracy.
double f1_micro(std::span<const Counts> counts);
/// The mean of the classes' F1, weighted by their examples.
double f1_weighted(std::span<const Counts> counts);

// One class per example.

/// The share of examples whose predicted class is their label.
double accuracy(std::span<const std::int32_t> predicted, std::span<const std::int32_t> labels);
/// The mean recall of the classes that have examples.
double balanced_accuracy(std::span<const Counts> counts);
/// Matthews' correlation coefficient of any number of classes, in [-1, 1]; 0 if predictions or labels are all alike.
double matthews_correlation(std::span<const Counts> counts);
/// The mean of -log p(label), from logits [E, L].
double log_loss(const Tensor& logits, std::span<const std::int32_t> labels);
/// The mean over examples of the squared distances between the L probabilities and the label's 1 among 0s: [0, 2].
double brier_score(std::span<const double> probabilities, std::span<const std::int32_t> labels);
/// Expected calibration error: |accuracy - confidence| of each bin, weighted by its share of examples.
/// Confidence is the largest of the L probabilities.
double calibration_error(std::span<const double> probabilities, std::span<const std::int32_t> labels);

// Several labels per example: 0 or 1, [E, width] row by row.

/// The share of examples all of whose labels are right.
double subset_accuracy(std::span<const std::uint8_t> predicted, std::span<const std::uint8_t> labels,
                       std::int64_t width);
/// The share of labels that are wrong.
double hamming_loss(std::span<const std::uint8_t> predicted, std::span<const std::uint8_t> labels);
/// The mean of -log p of the labels that are there and -log(1 - p) of the others, from logits [E, width].
double label_log_loss(const Tensor& logits, std::span<const std::uint8_t> labels);
/// Expected calibration error of the probabilities of the labels: |share of labels that are there - mean probability| of
/// each bin, weighted by its share of labels.
double label_calibration_error(std::span<const double> probabilities, std::span<const std::uint8_t> labels);
/// The mean over examples of the F1 of an example's labels.
double f1_samples(std::span<const std::uint8_t> predicted, std::span<const std::uint8_t> labels, std::int64_t width);

// Rankings: a score per example, and 1 where it is positive.

/// The probability that a positive example has the larger score than a negative one; equal scores count half.
double roc_auc(std::span<const double> scores, std::span<const std::uint8_t> positive);
/// The sum of precisions at each distinct score from the largest on, weighted by the growth of recall.
double average_precision(std::span<const double> scores, std::span<const std::uint8_t> positive);
/// Precision and recall of those with at least a score, for each distinct score from the largest on.
struct RankedShare {
  double score, recall, precision;
};
/// Empty without positive examples.
std::vector<RankedShare> precision_recall_curve(std::span<const double> scores, std::span<const std::uint8_t> positive);
/// The mean of the values that are not nan; nan if all are.
double mean_of_defined(std::span<const double> values);

// Numbers.

double mean_squared_error(std::span<const double> predicted, std::span<const double> labels);
double mean_absolute_error(std::span<const double> predicted, std::span<const double> labels);
/// 1 - the mean squared error over the labels' variance; nan if the labels are constant.
double r_squared(std::span<const double> predicted, std::span<const double> labels);
/// Pearson's correlation; nan if either is constant.
double pearson(std::span<const double> x, std::span<const double> y);
/// Pearson's correlation of the ranks; equal values share the mean of their ranks.
double spearman(std::span<const double> x, std::span<const double> y);

}  // namespace attune::measures
