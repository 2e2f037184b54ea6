#include "models/linear/logistic_regression.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "base/check.h"
#include "base/parallel.h"
#include "models/linear/logistic_objective.h"

namespace attune {
namespace {

using Dense = std::vector<std::vector<std::int32_t>>;

CountMatrix sparse(const Dense& rows) {
  CountMatrix out;
  out.columns = static_cast<std::int32_t>(rows.at(0).size());
  for (const auto& row : rows) {
    for (std::size_t j = 0; j < row.size(); ++j) {
      if (row[j] == 0) continue;
      out.column_ids.push_back(static_cast<std::int32_t>(j));
      out.counts.push_back(row[j]);
    }
    out.row_starts.push_back(static_cast<std::int64_t>(out.column_ids.size()));
  }
  return out;
}

// Rows of text-like counts: column j occurs with a chance of about 1/j; some rows are empty.
struct Problem {
  Dense rows;
  CountMatrix counts;
  std::vector<std::int32_t> labels;
};
Problem random_problem(std::size_t rows, std::size_t columns, int classes, unsigned seed) {
  std::mt19937 random(seed);
  Problem problem;
  for (std::size_t i = 0; i < rows; ++i) {
    std::vector<std::int32_t> row(columns, 0);
    if (i % 11 != 5)
      for (std::size_t j = 0; j < columns; ++j)
        if (random() % (2 + j) == 0) row[j] = static_cast<std::int32_t>(1 + random() % 3);
    problem.rows.push_back(row);
    problem.labels.push_back(static_cast<std::int32_t>(
        i < static_cast<std::size_t>(classes) ? i : (random() % 4 + static_cast<std::size_t>(row[0])) % classes));
  }
  problem.counts = sparse(problem.rows);
  return problem;
}

std::vector<double> random_point(std::int64_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0, 0.7);
  std::vector<double> point(static_cast<std::size_t>(n));
  for (double& x : point) x = normal(random);
  return point;
}

// F straight from its formula, in long double, on the dense matrix.
long double objective_by_hand(const Problem& problem, int classes, double c, const LogisticObjective& objective,
                              const std::vector<double>& point) {
  const auto outputs = static_cast<std::size_t>(objective.outputs());
  const auto columns = problem.rows[0].size();
  long double loss = 0, square = 0;
  for (std::size_t i = 0; i < problem.rows.size(); ++i) {
    std::vector<long double> z(point.end() - static_cast<std::ptrdiff_t>(outputs), point.end());
    for (std::size_t p = 0; p < columns; ++p)
      for (std::size_t k = 0; k < outputs; ++k)
        z[k] += static_cast<long double>(point[p * outputs + k]) *
                problem.rows[i][static_cast<std::size_t>(objective.column_at(static_cast<std::int64_t>(p)))];
    if (classes == 2) z.insert(z.begin(), 0.0L);
    long double sum = 0;
    for (const long double score : z) sum += std::exp(score);
    loss += std::log(sum) - z[static_cast<std::size_t>(problem.labels[i])];
  }
  for (std::size_t i = 0; i < columns * outputs; ++i) square += static_cast<long double>(point[i]) * point[i];
  const auto n = static_cast<long double>(problem.rows.size());
  return loss / n + square / (2 * static_cast<long double>(c) * n);
}

struct Size {
  std::size_t rows, columns;
  int classes;
  double c;
};
class Objective : public ::testing::TestWithParam<Size> {};

TEST_P(Objective, ValueGradientAndHessianEqualTheFormula) {
  const auto [rows, columns, classes, c] = GetParam();
  const Problem problem = random_problem(rows, columns, classes, 3);
  LogisticObjective objective(problem.counts, problem.labels, classes, c);
  const auto n = static_cast<std::size_t>(objective.size());
  ASSERT_EQ(n, (columns + 1) * static_cast<std::size_t>(classes == 2 ? 1 : classes));
  const std::vector<double> point = random_point(objective.size(), 1), v = random_point(objective.size(), 2);
  std::vector<double> gradient(n), product(n), diagonal(n);

  const double value = objective.evaluate(point.data(), gradient.data());
  EXPECT_NEAR(value, static_cast<double>(objective_by_hand(problem, classes, c, objective, point)), 1e-13 * value);
  objective.hessian_product(v.data(), product.data());
  objective.hessian_diagonal(diagonal.data());

  double scale = 0, product_scale = 0;
  for (std::size_t i = 0; i < n; ++i) {
    scale = std::max(scale, std::fabs(gradient[i]));
    product_scale = std::max(product_scale, std::fabs(product[i]));
  }
  const double step = 1e-5;
  std::vector<double> unused(n), up(n), down(n);
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<double> moved = point;
    moved[i] = point[i] + step;
    const long double high = objective_by_hand(problem, classes, c, objective, moved);
    objective.evaluate(moved.data(), up.data());
    moved[i] = point[i] - step;
    const long double low = objective_by_hand(problem, classes, c, objective, moved);
    objective.evaluate(moved.data(), down.data());
    EXPECT_NEAR(gradient[i], static_cast<double>((high - low) / (2 * step)), 1e-6 * scale) << "component " << i;
    EXPECT_NEAR(diagonal[i], (up[i] - down[i]) / (2 * step), 1e-6 * scale) << "component " << i;
  }
  // H v as the difference of gradients along v.
  std::vector<double> moved = point;
  for (std::size_t i = 0; i < n; ++i) moved[i] = point[i] + step * v[i];
  objective.evaluate(moved.data(), up.data());
  for (std::size_t i = 0; i < n; ++i) moved[i] = point[i] - step * v[i];
  objective.evaluate(moved.data(), down.data());
  for (std::size_t i = 0; i < n; ++i)
    EXPECT_NEAR(product[i], (up[i] - down[i]) / (2 * step), 1e-6 * product_scale) << "component " << i;
}

TEST_P(Objective, TheSolutionHasNoGradientAndBeatsItsNeighbours) {
  const auto [rows, columns, classes, c] = GetParam();
  const Problem problem = random_problem(rows, columns, classes, 5);
  LogisticObjective objective(problem.counts, problem.labels, classes, c);
  MinimiseOptions options;
  options.tolerance = 1e-12;
  const MinimiseResult found = minimise(objective, options);
  EXPECT_EQ(found.end, MinimiseEnd::kConverged);
  EXPECT_LE(found.gradient, 1e-12);
  for (unsigned seed = 0; seed < 5; ++seed) {
    std::vector<double> other = random_point(objective.size(), seed);
    for (std::size_t i = 0; i < other.size(); ++i) other[i] = found.point[i] + 1e-3 * other[i];
    EXPECT_GT(objective_by_hand(problem, classes, c, objective, other),
              objective_by_hand(problem, classes, c, objective, found.point));
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, Objective,
                         ::testing::Values(Size{2, 1, 2, 1}, Size{13, 7, 2, 1}, Size{97, 31, 2, 0.01},
                                           Size{101, 17, 2, 100}, Size{3, 1, 3, 1}, Size{53, 19, 3, 1},
                                           Size{61, 13, 5, 10}));

TEST(PointwiseLoss, NeitherOverflowsNorCancels) {
  for (double z = -800; z <= 800; z += 0.37)
    for (const double y : {0.0, 1.0}) {
      const PointwiseLoss at = pointwise_loss(z, y);
      const long double e = std::exp(-std::fabs(static_cast<long double>(z)));
      const long double loss = std::log1p(e) + (z > 0 ? (1 - y) * z : -y * z);
      const long double derivative =
          y == 0 ? (z > 0 ? 1 / (1 + e) : e / (1 + e)) : -(z > 0 ? e / (1 + e) : 1 / (1 + e));
      EXPECT_NEAR(at.loss, static_cast<double>(loss), static_cast<double>(2e-15L * loss) + 1e-300) << z << " " << y;
      EXPECT_NEAR(at.derivative, static_cast<double>(derivative),
                  static_cast<double>(2e-15L * std::fabs(derivative)) + 1e-300)
          << z << " " << y;
    }
}

// One column, x = 1 in class 1 and 0 in class 0, one row each: w + 2 b = 0 by symmetry, and dF/dw = 0 reads
// sigma(-w/2) = w / C.
TEST(LogisticRegression, TwoRowsByHand) {
  const LogisticFit fit = fit_logistic_regression(sparse({{1}, {0}}), std::vector<std::int32_t>{1, 0}, {});
  double w = 0.5;
  for (int i = 0; i < 200; ++i) w = 1 / (1 + std::exp(w / 2));
  EXPECT_NEAR(fit.model.weights.at(0), w, 1e-7);
  EXPECT_NEAR(fit.model.bias.at(0), -w / 2, 1e-7);
}

// Columns without effect on the labels' odds: the bias alone learns the odds, log(3), free of any penalty.
TEST(LogisticRegression, BiasIsNotPenalised) {
  LogisticOptions options;
  options.c = 1e-6;
  const LogisticFit fit =
      fit_logistic_regression(sparse({{1}, {1}, {1}, {1}}), std::vector<std::int32_t>{7, 7, -2, 7}, options);
  EXPECT_EQ(fit.model.classes, (std::vector<std::int32_t>{-2, 7}));
  EXPECT_NEAR(fit.model.weights.at(0) + fit.model.bias.at(0), std::log(3.0), 1e-5);
  EXPECT_LT(std::fabs(fit.model.weights.at(0)), 1e-5);
}

TEST(LogisticRegression, ScoreZeroIsTheFirstClass) {
  const LogisticRegression model{{0, 1}, 1, {1.0}, {-1.0}};
  const CountMatrix counts = sparse({{1}, {2}, {0}});
  EXPECT_EQ(predict_labels(model, counts), (std::vector<std::int32_t>{0, 1, 0}));
  EXPECT_EQ(predict_probabilities(model, counts)[1], 0.5);
  const LogisticRegression three{{10, 20, 30}, 1, {0, 1, 1}, {0, 0, 0}};
  EXPECT_EQ(predict_labels(three, counts), (std::vector<std::int32_t>{20, 20, 10}));
}

TEST(LogisticRegression, ProbabilitiesAddUpAndRankLikeLabels) {
  for (const int classes : {2, 4}) {
    const Problem problem = random_problem(80, 9, classes, 11);
    const LogisticFit fit = fit_logistic_regression(problem.counts, problem.labels, {});
    const auto probabilities = predict_probabilities(fit.model, problem.counts);
    const auto predicted = predict_labels(fit.model, problem.counts);
    double loss = 0;
    for (std::size_t i = 0; i < predicted.size(); ++i) {
      const auto* row = probabilities.data() + i * static_cast<std::size_t>(classes);
      double sum = 0;
      for (int k = 0; k < classes; ++k) {
        sum += row[k];
        EXPECT_LE(row[k], row[predicted[i]]);
      }
      EXPECT_NEAR(sum, 1, 1e-14);
      loss -= std::log(row[problem.labels[i]]) / static_cast<double>(predicted.size());
    }
    double square = 0;
    for (const double w : fit.model.weights) square += w * w;
    EXPECT_NEAR(fit.objective, loss + square / (2 * 80), 1e-12);
  }
}

// scikit-learn 1.9.1, LogisticRegression(solver="newton-cg", tol=1e-13), of three classes and of two.
TEST(LogisticRegression, EqualsScikitLearn) {
  const CountMatrix counts = sparse({{1, 0, 2}, {0, 1, 0}, {3, 1, 0}, {0, 0, 1}, {1, 2, 1}, {0, 2, 0}});
  LogisticOptions options;
  options.minimise.tolerance = 1e-13;
  const auto expect_near = [](const std::vector<double>& found, const std::vector<double>& expected) {
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-11);
  };
  LogisticFit fit = fit_logistic_regression(counts, std::vector<std::int32_t>{0, 1, 2, 0, 1, 2}, options);
  expect_near(fit.model.weights,
              {-0.19557934812700037, -0.7640325244647859, 0.6030947242474446, -0.1784924469417398, 0.37573258274020815,
               -0.012497585464074486, 0.37407179506874005, 0.3882999417245773, -0.5905971387833702});
  expect_near(fit.model.bias, {0.39827998601084186, -0.06180209713877913, -0.3364778888720633});
  fit = fit_logistic_regression(counts, std::vector<std::int32_t>{0, 1, 1, 0, 1, 1}, options);
  expect_near(fit.model.weights, {0.26897201162242085, 0.9233758597812415, -0.7455348650714921});
  expect_near(fit.model.bias, {0.22817442215974942});
}

TEST(LogisticRegression, SoftmaxCoefficientsAndBiasSumToZero) {
  const Problem problem = random_problem(90, 8, 3, 13);
  const LogisticFit fit = fit_logistic_regression(problem.counts, problem.labels, {});
  for (std::size_t j = 0; j < 8; ++j)
    EXPECT_NEAR(fit.model.weights[j] + fit.model.weights[8 + j] + fit.model.weights[16 + j], 0, 1e-6);
  EXPECT_NEAR(fit.model.bias[0] + fit.model.bias[1] + fit.model.bias[2], 0, 1e-12);
}

TEST(LogisticRegression, SameBitsForAnyNumberOfThreads) {
  const int before = num_threads();
  for (const int classes : {2, 3}) {
    const Problem problem = random_problem(9001, 61, classes, 17);  // several pieces of rows
    std::vector<LogisticFit> fits;
    for (const int threads : {1, 2, 5}) {
      set_num_threads(threads);
      fits.push_back(fit_logistic_regression(problem.counts, problem.labels, {}));
    }
    set_num_threads(before);
    for (const LogisticFit& fit : fits) {
      EXPECT_EQ(fit.model.weights, fits[0].model.weights);
      EXPECT_EQ(fit.model.bias, fits[0].model.bias);
      EXPECT_EQ(fit.objective, fits[0].objective);
      EXPECT_EQ(fit.iterations, fits[0].iterations);
    }
  }
}

// Without a penalty worth the name the weights would run to infinity; with one that leaves them no room they stay at 0.
TEST(LogisticRegression, ExtremePenaltiesStillEnd) {
  const CountMatrix counts = sparse({{3, 0}, {1, 0}, {0, 2}, {0, 1}});
  const std::vector<std::int32_t> labels = {1, 1, 0, 0};
  for (const double c : {1e8, 1e90}) {
    LogisticOptions options;
    options.c = c;
    options.minimise.tolerance = 1e-12;
    const LogisticFit fit = fit_logistic_regression(counts, labels, options);
    EXPECT_LE(fit.gradient, 1e-12);
    EXPECT_GT(fit.model.weights[0], 5);
    EXPECT_LT(fit.model.weights[1], -5);
    EXPECT_EQ(predict_labels(fit.model, counts), labels);
  }
  LogisticOptions options;
  options.c = 1e-90;
  const LogisticFit fit = fit_logistic_regression(counts, labels, options);
  EXPECT_LT(std::fabs(fit.model.weights[0]), 1e-80);
  EXPECT_NEAR(fit.objective, std::log(2.0), 1e-15);
}

TEST(LogisticRegression, RowsWithoutWordsLearnOnlyTheBias) {
  const LogisticFit fit =
      fit_logistic_regression(sparse({{0, 1}, {0, 0}, {0, 0}, {0, 0}}), std::vector<std::int32_t>{1, 0, 0, 1}, {});
  EXPECT_EQ(fit.model.weights[0], 0);  // a word that never occurs
  EXPECT_EQ(fit.end, MinimiseEnd::kConverged);
}

TEST(LogisticRegression, StopsWhereTold) {
  const Problem problem = random_problem(200, 20, 2, 19);
  LogisticOptions options;
  options.minimise.max_iterations = 3;
  LogisticFit fit = fit_logistic_regression(problem.counts, problem.labels, options);
  EXPECT_EQ(fit.end, MinimiseEnd::kIterations);
  EXPECT_EQ(fit.iterations, 3);
  options.minimise.progress = [](const MinimiseProgress& at) { return at.iteration < 2; };
  fit = fit_logistic_regression(problem.counts, problem.labels, options);
  EXPECT_EQ(fit.end, MinimiseEnd::kStopped);
  EXPECT_EQ(fit.iterations, 2);
  options.minimise.progress = [](const MinimiseProgress&) -> bool { throw Error("from the callback"); };
  EXPECT_THROW(fit_logistic_regression(problem.counts, problem.labels, options), Error);
}

TEST(LogisticRegression, ATighterToleranceThanDoublesHaveEndsAtTheirPrecision) {
  const Problem problem = random_problem(200, 20, 2, 23);
  LogisticOptions options;
  options.minimise.tolerance = 1e-300;
  const LogisticFit fit = fit_logistic_regression(problem.counts, problem.labels, options);
  EXPECT_EQ(fit.end, MinimiseEnd::kPrecision);
  EXPECT_LT(fit.gradient, 1e-14);
}

TEST(LogisticRegression, RefusesWhatCannotBeLearnt) {
  const CountMatrix counts = sparse({{1}, {2}});
  const auto fit = [](const CountMatrix& x, std::vector<std::int32_t> labels, double c = 1) {
    LogisticOptions options;
    options.c = c;
    return fit_logistic_regression(x, labels, options);
  };
  EXPECT_THROW(fit(counts, {1, 1}), Error);     // one class
  EXPECT_THROW(fit(counts, {1}), Error);        // a label is missing
  EXPECT_THROW(fit(counts, {0, 1}, 0), Error);  // C
  EXPECT_THROW(fit(counts, {0, 1}, -1), Error);
  EXPECT_THROW(fit(counts, {0, 1}, std::nan("")), Error);
  EXPECT_THROW(fit(counts, {0, 1}, 1e300), Error);
  EXPECT_THROW(fit(counts, {0, 1}, 1e-300), Error);
  EXPECT_THROW(fit(CountMatrix{}, {}), Error);  // nothing at all
  CountMatrix wordless;
  wordless.row_starts = {0, 0, 0};
  EXPECT_THROW(fit(wordless, {0, 1}), Error);
  EXPECT_THROW(predict_labels(LogisticRegression{{0, 1}, 2, {1, 1}, {0}}, counts), Error);
}

TEST(MostFrequentLabel, TheLowestOfEquals) {
  EXPECT_EQ(most_frequent_label(std::vector<std::int32_t>{3, 1, 3, 1, 2}), 1);
  EXPECT_EQ(most_frequent_label(std::vector<std::int32_t>{5}), 5);
  EXPECT_THROW(most_frequent_label({}), Error);
}

TEST(StrongestColumns, BothEndsAndTies) {
  const LogisticRegression model{{0, 1}, 5, {0.5, -2, 0.5, 3, -2}, {0}};
  const auto columns = [&](int k, std::int64_t n) {
    std::vector<std::int32_t> out;
    for (const WordWeight& word : strongest_columns(model, k, n)) out.push_back(word.column);
    return out;
  };
  EXPECT_EQ(columns(1, 3), (std::vector<std::int32_t>{3, 0, 2}));
  EXPECT_EQ(columns(0, 2), (std::vector<std::int32_t>{1, 4}));
  EXPECT_EQ(columns(1, 99).size(), 5u);
  EXPECT_EQ(columns(1, 0).size(), 0u);
  EXPECT_EQ(strongest_columns(model, 0, 1)[0].weight, -2);
  EXPECT_THROW(strongest_columns(model, 2, 1), Error);
}

}  // namespace
}  // namespace attune
