#include "models/linear/logistic_objective.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/parallel.h"
#include "models/linear/piecewise_sum.h"

namespace attune {
namespace {

constexpr std::int64_t kObjectiveRows = 1024;

// log(sum exp(z)) - z_y, with z replaced by softmax(z).
double softmax_loss(std::int32_t label, int classes, double* z) {
  const double top = *std::max_element(z, z + classes);
  const double z_label = z[label];
  double sum = 0;
  for (int k = 0; k < classes; ++k) sum += z[k] = std::exp(z[k] - top);
  for (int k = 0; k < classes; ++k) z[k] /= sum;
  return std::log(sum) + top - z_label;
}

}  // namespace

// With e = exp(-|z|), which never overflows. On either side both terms of the loss have one sign, and the derivative is
// a quotient without a difference for y = 0 and y = 1: exact to rounding however far z is from 0.
PointwiseLoss pointwise_loss(double z, double y) {
  const double e = std::exp(-std::fabs(z));
  if (z <= 0) return {std::log1p(e) - y * z, ((1 - y) * e - y) / (1 + e)};
  return {std::log1p(e) + (1 - y) * z, ((1 - y) - y * e) / (1 + e)};
}

LogisticObjective::LogisticObjective(const CountMatrix& counts, std::span<const std::int32_t> labels, int classes,
                                     double c)
    : matrix_(counts), labels_(labels.begin(), labels.end()), outputs_(classes == 2 ? 1 : classes) {
  const std::int64_t rows = counts.rows();
  CHECK(rows > 0, "logistic regression: there is no row to learn from");
  CHECK(static_cast<std::int64_t>(labels.size()) == rows, "logistic regression: ", rows, " rows, but ", labels.size(),
        " labels");
  CHECK(classes >= 2, "logistic regression needs at least 2 classes, the data has ", classes);
  for (const std::int32_t label : labels)
    CHECK(label >= 0 && label < classes, "logistic regression: label ", label, " is outside 0..", classes - 1);
  inverse_rows_ = 1.0 / static_cast<double>(rows);
  penalty_ = inverse_rows_ / c;
  CHECK(penalty_ > 1e-100 && penalty_ < 1e100,
        "logistic regression: C must be a positive number of sensible size, not ", c);
  probabilities_.resize(static_cast<std::size_t>(rows * outputs_));
}

// The loss of one row with scores z, which become p - e; the row's p goes to `p`.
double LogisticObjective::row_loss(std::int64_t row, double* z, double* p) const {
  const std::int32_t label = labels_[static_cast<std::size_t>(row)];
  if (outputs_ == 1) {
    const PointwiseLoss at = pointwise_loss(*z, label);
    *z = at.derivative;
    *p = at.derivative + label;
    return at.loss;
  }
  const double loss = softmax_loss(label, outputs_, z);
  std::copy(z, z + outputs_, p);
  z[label] -= 1;
  return loss;
}

// out[k] = 1/n sum_i r[i, k].
void LogisticObjective::sum_rows(const std::vector<double>& r, double* out) const {
  for (int k = 0; k < outputs_; ++k)
    out[k] = inverse_rows_ * piecewise_sum(matrix_.rows(), [&](std::int64_t i) {
               return r[static_cast<std::size_t>(i * outputs_ + k)];
             });
}

// out = 1/n [X 1]^T r + penalty point, where per_row(i, z) turns z = x_i W + b into r, row by row.
template <class PerRow>
void LogisticObjective::multiply_both(const double* point, double* out, PerRow&& per_row) const {
  const std::int64_t weights = columns() * outputs_;
  std::vector<double> r(probabilities_.size());
  matrix_.multiply(point, outputs_, r.data());
  parallel_for(matrix_.rows(), kObjectiveRows, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      double* z = r.data() + i * outputs_;
      for (int k = 0; k < outputs_; ++k) z[k] += point[weights + k];
      per_row(i, z);
    }
  });
  matrix_.multiply_transposed(r.data(), outputs_, out);
  parallel_for(weights, kVectorGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) out[i] = out[i] * inverse_rows_ + penalty_ * point[i];
  });
  sum_rows(r, out + weights);
}

double LogisticObjective::evaluate(const double* point, double* gradient) {
  std::vector<double> losses(labels_.size());
  multiply_both(point, gradient, [&](std::int64_t i, double* z) {
    losses[static_cast<std::size_t>(i)] = row_loss(i, z, probabilities_.data() + i * outputs_);
  });
  const double loss =
      piecewise_sum(matrix_.rows(), [&](std::int64_t i) { return losses[static_cast<std::size_t>(i)]; });
  const double square = piecewise_sum(columns() * outputs_, [&](std::int64_t i) { return point[i] * point[i]; });
  return loss * inverse_rows_ + 0.5 * penalty_ * square;
}

void LogisticObjective::hessian_product(const double* v, double* out) const {
  multiply_both(v, out, [&](std::int64_t i, double* u) {
    const double* p = probabilities_.data() + i * outputs_;
    if (outputs_ == 1) {
      *u *= *p * (1 - *p);
      return;
    }
    double mean = 0;
    for (int k = 0; k < outputs_; ++k) mean += p[k] * u[k];
    for (int k = 0; k < outputs_; ++k) u[k] = p[k] * (u[k] - mean);
  });
}

void LogisticObjective::hessian_diagonal(double* out) const {
  const std::int64_t weights = columns() * outputs_;
  std::vector<double> variance(probabilities_.size());
  for (std::size_t i = 0; i < variance.size(); ++i) variance[i] = probabilities_[i] * (1 - probabilities_[i]);
  sum_rows(variance, out + weights);
  matrix_.multiply_transposed_squares(variance.data(), outputs_, out);
  for (std::int64_t i = 0; i < weights; ++i) out[i] = out[i] * inverse_rows_ + penalty_;
}

}  // namespace attune
