// The measures against scikit-learn's and SciPy's (golden/tasks.json), every case found there; and where they have no
// meaning.
#include "engine/train/measures.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/data.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

using Json = nlohmann::json;
using Doubles = std::vector<double>;
using Flags = std::vector<std::uint8_t>;

constexpr double kTolerance = 1e-12;

// The rows of a list of lists, one after the other.
template <class T>
std::vector<T> flat(const Json& rows) {
  std::vector<T> out;
  for (const Json& row : rows)
    for (const Json& value : row) out.push_back(value.get<T>());
  return out;
}

Json golden(const std::filesystem::path& data, const char* kind) {
  std::ifstream file(data / "golden" / "tasks.json");
  return Json::parse(file).at(kind);
}

// Whether each example has this class.
Flags has_class(const std::vector<std::int32_t>& labels, std::size_t k) {
  Flags out;
  for (const std::int32_t label : labels) out.push_back(label == static_cast<std::int32_t>(k));
  return out;
}

// Every `step`-th value from `first` on.
template <class T>
std::vector<T> column(const std::vector<T>& rows, std::size_t first, std::size_t step) {
  std::vector<T> out;
  for (std::size_t i = first; i < rows.size(); i += step) out.push_back(rows[i]);
  return out;
}

TEST(Measures, OneClassPerExample) {
  ATTUNE_DATA_OR_SKIP(data);
  int cases = 0;
  for (const Json& row : golden(data, "single")) {
    SCOPED_TRACE(cases++);
    const auto labels = row.at("labels").get<std::vector<std::int32_t>>();
    const std::size_t classes = row.at("logits")[0].size();
    const Tensor logits =
        Tensor::from(flat<double>(row.at("logits")), {std::ssize(labels), std::ssize(row["logits"][0])});
    const std::vector<std::int32_t> predicted = measures::argmax_rows(logits);
    const std::vector<measures::Counts> counts =
        measures::class_counts(predicted, labels, std::ssize(row["logits"][0]));
    const Doubles probabilities = measures::softmax_rows(logits);
    const auto expect = [&](const char* key, double value) {
      EXPECT_NEAR(value, row.at(key).get<double>(), kTolerance) << key;
    };
    expect("accuracy", measures::accuracy(predicted, labels));
    expect("balanced_accuracy", measures::balanced_accuracy(counts));
    expect("mcc", measures::matthews_correlation(counts));
    expect("f1_macro", measures::f1_macro(counts));
    expect("f1_micro", measures::f1_micro(counts));
    expect("f1_weighted", measures::f1_weighted(counts));
    expect("log_loss", measures::log_loss(logits, labels));
    expect("brier", measures::brier_score(probabilities, labels));
    expect("ece_15_bins", measures::calibration_error(probabilities, labels));
    for (std::size_t k = 0; k < classes; ++k) {
      const auto expect_class = [&](const char* key, double value) {
        EXPECT_NEAR(value, row.at(key)[k].get<double>(), kTolerance) << key << " of class " << k;
      };
      const Doubles scores = column(probabilities, k, classes);
      expect_class("precision", counts[k].precision());
      expect_class("recall", counts[k].recall());
      expect_class("f1", counts[k].f1());
      expect_class("support", static_cast<double>(counts[k].support()));
      expect_class("roc_auc", measures::roc_auc(scores, has_class(labels, k)));
      expect_class("average_precision", measures::average_precision(scores, has_class(labels, k)));
    }
  }
  EXPECT_GT(cases, 0);
}

TEST(Measures, SeveralLabelsPerExample) {
  ATTUNE_DATA_OR_SKIP(data);
  int cases = 0;
  for (const Json& row : golden(data, "several")) {
    SCOPED_TRACE(cases++);
    const Flags labels = flat<std::uint8_t>(row.at("labels"));
    const std::size_t width = row.at("labels")[0].size();
    Doubles scores = flat<double>(row.at("logits"));
    Flags predicted;
    for (double& z : scores) {
      z = measures::sigmoid(z);
      predicted.push_back(z > 0.5);
    }
    const std::vector<measures::Counts> counts =
        measures::label_counts(predicted, labels, static_cast<std::int64_t>(width));
    const auto expect = [&](const char* key, double value) {
      EXPECT_NEAR(value, row.at(key).get<double>(), kTolerance) << key;
    };
    expect("subset_accuracy", measures::subset_accuracy(predicted, labels, static_cast<std::int64_t>(width)));
    expect("hamming_loss", measures::hamming_loss(predicted, labels));
    expect("f1_macro", measures::f1_macro(counts));
    expect("f1_micro", measures::f1_micro(counts));
    expect("f1_weighted", measures::f1_weighted(counts));
    expect("f1_samples", measures::f1_samples(predicted, labels, static_cast<std::int64_t>(width)));
    for (std::size_t k = 0; k < width; ++k) {
      EXPECT_NEAR(counts[k].f1(), row.at("f1")[k].get<double>(), kTolerance) << "label " << k;
      EXPECT_NEAR(measures::roc_auc(column(scores, k, width), column(labels, k, width)),
                  row.at("roc_auc")[k].get<double>(), kTolerance)
          << "label " << k;
    }
  }
  EXPECT_GT(cases, 0);
}

TEST(Measures, Numbers) {
  ATTUNE_DATA_OR_SKIP(data);
  int cases = 0;
  for (const Json& row : golden(data, "regression")) {
    SCOPED_TRACE(cases++);
    const auto predicted = row.at("predictions").get<Doubles>(), labels = row.at("labels").get<Doubles>();
    const auto expect = [&](const char* key, double value) {
      EXPECT_NEAR(value, row.at(key).get<double>(), kTolerance) << key;
    };
    expect("mse", measures::mean_squared_error(predicted, labels));
    expect("mae", measures::mean_absolute_error(predicted, labels));
    expect("r2", measures::r_squared(predicted, labels));
    expect("pearson", measures::pearson(predicted, labels));
    expect("spearman", measures::spearman(predicted, labels));
  }
  EXPECT_GT(cases, 0);
}

TEST(Measures, ConstantNumbersHaveNoCorrelation) {
  // Three times 0.1 has a mean that is not 0.1.
  const Doubles constant = {0.1, 0.1, 0.1}, rising = {1, 2, 4};
  EXPECT_TRUE(std::isnan(measures::pearson(constant, rising)));
  EXPECT_TRUE(std::isnan(measures::pearson(rising, constant)));
  EXPECT_TRUE(std::isnan(measures::spearman(constant, rising)));
  EXPECT_TRUE(std::isnan(measures::r_squared(rising, constant)));
  EXPECT_FALSE(std::isnan(measures::r_squared(constant, rising)));
  for (const auto measure : {measures::pearson, measures::spearman, measures::r_squared, measures::mean_squared_error})
    EXPECT_TRUE(std::isnan(measure({}, {})));
  EXPECT_EQ(measures::pearson(rising, Doubles{-10, -20, -40}), -1);
}

TEST(Measures, EqualNumbersShareTheMeanOfTheirRanks) {
  // Ranks 1.5, 1.5, 3, 4 against 1, 2, 3, 4.
  EXPECT_NEAR(measures::spearman(Doubles{7, 7, 8, 9}, Doubles{1, 2, 3, 4}), 4.5 / std::sqrt(4.5 * 5), 1e-15);
}

TEST(Measures, RankingsNeedBothKinds) {
  const Doubles scores = {0.2, 0.7, 0.7};
  EXPECT_TRUE(std::isnan(measures::roc_auc(scores, Flags{1, 1, 1})));
  EXPECT_TRUE(std::isnan(measures::roc_auc(scores, Flags{0, 0, 0})));
  EXPECT_TRUE(std::isnan(measures::average_precision(scores, Flags{0, 0, 0})));
  EXPECT_EQ(measures::average_precision(scores, Flags{1, 1, 1}), 1);
  EXPECT_EQ(measures::roc_auc(scores, Flags{0, 1, 0}), 0.75) << "equal scores count half";
  EXPECT_EQ(measures::average_precision(scores, Flags{0, 1, 0}), 0.5);
}

// Counted threshold by threshold.
TEST(Rankings, PrecisionAndRecallOfEachThreshold) {
  const std::vector<double> scores = {0.9, 0.2, 0.5, 0.5, 0.2, 0.7, 0.1, 0.5};
  const Flags positive = {1, 0, 0, 1, 1, 0, 0, 1};
  const auto curve = measures::precision_recall_curve(scores, positive);
  ASSERT_EQ(curve.size(), 5);  // 0.9, 0.7, 0.5, 0.2, 0.1
  double area = 0, before = 0;
  for (const auto& [score, recall, precision] : curve) {
    double at_least = 0, right = 0, all = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      at_least += scores[i] >= score ? 1 : 0;
      right += scores[i] >= score && positive[i] != 0 ? 1 : 0;
      all += positive[i];
    }
    EXPECT_EQ(recall, right / all) << score;
    EXPECT_EQ(precision, right / at_least) << score;
    area += (recall - before) * precision;
    before = recall;
  }
  EXPECT_NEAR(area, measures::average_precision(scores, positive), 1e-15);
  EXPECT_EQ(before, 1);
  EXPECT_TRUE(measures::precision_recall_curve(scores, Flags(8)).empty());
}

TEST(Measures, MeansLeaveOutTheUndefined) {
  const double undefined = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(measures::mean_of_defined(Doubles{0.25, undefined, 0.75}), 0.5);
  EXPECT_TRUE(std::isnan(measures::mean_of_defined(Doubles{undefined, undefined})));
  EXPECT_TRUE(std::isnan(measures::mean_of_defined({})));
}

TEST(Measures, AConfusionMatrixHasARowForEachLabel) {
  const std::vector<std::int32_t> predicted = {0, 1, 1, 2, 1}, labels = {0, 0, 1, 1, 0};
  EXPECT_EQ(measures::confusion_matrix(predicted, labels, 3), (std::vector<std::int64_t>{1, 2, 0, 0, 1, 1, 0, 0, 0}));
}

TEST(Measures, ASingleClassOrNoneIsNoDivisionByZero) {
  const std::vector<std::int32_t> predicted = {0, 0, 0}, labels = {0, 0, 2};
  const std::vector<measures::Counts> counts = measures::class_counts(predicted, labels, 4);
  EXPECT_EQ(counts[1].precision(), 0);
  EXPECT_EQ(counts[2].recall(), 0);
  EXPECT_EQ(counts[3].f1(), 0);
  EXPECT_EQ(measures::balanced_accuracy(counts), 0.5) << "of the two classes that have examples";
  EXPECT_EQ(measures::matthews_correlation(counts), 0);
  EXPECT_EQ(measures::f1_macro(counts), 0.8 / 4);
  EXPECT_EQ(measures::accuracy({}, {}), 0);
  EXPECT_EQ(measures::subset_accuracy({}, {}, 3), 0);
  EXPECT_EQ(measures::f1_samples(Flags{0, 0, 1, 0}, Flags{0, 0, 1, 1}, 2), (0 + 2.0 / 3) / 2);
  EXPECT_EQ(message_of([&] { measures::accuracy(predicted, {}); }), "3 predictions for 0 labels");
}

TEST(Measures, ProbabilitiesOfLabels) {
  // Two bins: 0.1 and 0.12 of one label that is there and one that is not, 0.9 of one that is.
  EXPECT_NEAR(measures::label_calibration_error(Doubles{0.1, 0.12, 0.9}, Flags{1, 0, 1}), (0.78 + 0.1) / 3, 1e-15);
  EXPECT_EQ(measures::label_calibration_error({}, {}), 0);
  EXPECT_NEAR(measures::label_log_loss(Tensor::from(Doubles{0, 2}, {1, 2}), Flags{0, 1}),
              (std::log(2) + std::log(1 + std::exp(-2.0))) / 2, 1e-15);
  EXPECT_EQ(measures::label_log_loss(Tensor::from(Doubles{1000, -1000}, {2, 1}), Flags{0, 1}), 1000);
}

TEST(Measures, SigmoidOfLargeNumbers) {
  EXPECT_EQ(measures::sigmoid(0), 0.5);
  EXPECT_EQ(measures::sigmoid(-1000), 0);
  EXPECT_EQ(measures::sigmoid(1000), 1);
  EXPECT_EQ(measures::log_loss(Tensor::from(Doubles{1000, -1000}, {1, 2}), std::vector<std::int32_t>{1}), 2000);
}

}  // namespace
}  // namespace attune::testing
