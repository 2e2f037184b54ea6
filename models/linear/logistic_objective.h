// The objective of logistic regression, and its derivatives.
//
//   F(W, b) = 1/n sum_i loss(z_i, y_i) + 1/(2 C n) |W|^2,   z_i = x_i W + b,   n rows; b is not penalised
//
//   two classes, one output:  loss = log(1 + exp(z)) - y z          y in {0, 1}, P(y = 1) = sigma(z)
//   K classes, K outputs:     loss = log(sum_k exp(z_k)) - z_y      P(y = k) = softmax(z)_k
//
// Derivatives, with p the probabilities (of class 1, or of each class) and e the one-hot label (y itself):
//
//   dF/dW = 1/n X^T (p - e) + W/(C n)                dF/db = 1/n sum_i (p_i - e_i)
//   H V   = 1/n X^T s(X V + c) + V/(C n)             s(u) = p (1 - p) u,  or  s(u)_k = p_k (u_k - sum_l p_l u_l)
//
// These are scikit-learn's (1.4 and later). F is strictly convex in W, so it has one optimum, which does not depend on
// the method; for K outputs a constant added to all of b changes nothing, and the solution is the one with sum b = 0.
//
// The loss is evaluated without overflow and without cancellation at either end (pointwise_loss). All sums are cut by
// the data alone: the same bits for any number of threads.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/linear/design_matrix.h"

namespace attune {

/// Loss and its derivative in z of one row of the two-class objective; y is 0 or 1.
struct PointwiseLoss {
  double loss, derivative;
};
PointwiseLoss pointwise_loss(double z, double y);

/// The objective for one matrix. A point is W by position of the design matrix, [columns, outputs], then b [outputs].
class LogisticObjective {
 public:
  /// `labels`: one of 0 .. classes - 1 per row. Throws Error on fewer than two classes, no rows, a label out of range,
  /// or a C that is not positive or leaves 1/(C n) outside (1e-100, 1e100).
  LogisticObjective(const CountMatrix& counts, std::span<const std::int32_t> labels, int classes, double c);

  int outputs() const { return outputs_; }
  std::int64_t columns() const { return matrix_.columns(); }
  /// Numbers in a point.
  std::int64_t size() const { return (matrix_.columns() + 1) * outputs_; }
  /// The column of the counts whose weights lie at a position.
  std::int32_t column_at(std::int64_t position) const { return matrix_.column_at(position); }

  /// F at `point`; its gradient into `gradient`. The Hessian below is that of the point last evaluated.
  double evaluate(const double* point, double* gradient);
  /// H v.
  void hessian_product(const double* v, double* out) const;
  /// The diagonal of H.
  void hessian_diagonal(double* out) const;

 private:
  double row_loss(std::int64_t row, double* z, double* p) const;
  void sum_rows(const std::vector<double>& r, double* out) const;
  template <class PerRow>
  void multiply_both(const double* point, double* out, PerRow&& per_row) const;

  DesignMatrix matrix_;
  std::vector<std::int32_t> labels_;
  int outputs_;
  double inverse_rows_, penalty_;      // 1/n, 1/(C n)
  std::vector<double> probabilities_;  // [rows, outputs] at the point last evaluated
};

}  // namespace attune
