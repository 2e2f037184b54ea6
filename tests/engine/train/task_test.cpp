// The tasks: their losses, measures, predictions and balanced weights, and options that cannot be.
#include "engine/train/task.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "engine/train/calibration.h"
#include "tests/engine/train/not_a_number.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

using Doubles = std::vector<double>;
using Names = std::vector<std::string>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double sigmoid(double z) {
  return 1 / (1 + std::exp(-z));
}

double loss_of(const Task& task, const Tensor& logits, const Tensor& labels) {
  return task.loss(Variable(logits, false), labels).value().item();
}

std::map<std::string, double> measures_of(const Task& task, const Tensor& logits, const Tensor& labels) {
  std::map<std::string, double> out;
  for (const Measure& measure : task.measure(logits, labels)) {
    EXPECT_FALSE(out.contains(measure.name)) << measure.name;
    out[measure.name] = measure.value;
  }
  for (const Headline& headline : task.headlines())
    EXPECT_TRUE(out.contains(std::string(headline.measure))) << headline.measure;
  return out;
}

const std::string& refusal(std::string_view type, const TaskOptions& options) {
  static std::string message;
  message = message_of([&] { make_task(type, options); });
  return message;
}

TEST(Tasks, AreFoundByTheirProblemType) {
  for (const std::string_view type : {kSingleLabel, kMultiLabel, kRegression}) {
    const auto task = make_task(type, {.outputs = 3});
    EXPECT_EQ(task->problem_type(), type);
    EXPECT_EQ(task->outputs(), 3);
  }
  EXPECT_EQ(
      message_of([] { make_task("ranking", {}); }),
      "there is no task 'ranking'; there are single_label_classification, multi_label_classification, regression");
}

TEST(Tasks, QualitiesAndTheirDirection) {
  const TaskOptions two{.outputs = 2, .output_names = {"a", "b.c"}};
  const Names classes = qualities(*make_task(kSingleLabel, two));
  EXPECT_EQ(Names(classes.begin(), classes.begin() + 12),
            (Names{"loss", "accuracy", "balanced_accuracy", "f1_macro", "f1_micro", "f1_weighted", "mcc", "log_loss",
                   "brier", "ece", "roc_auc", "average_precision"}));
  EXPECT_EQ(Names(classes.begin() + 12, classes.end()),
            (Names{"precision.a", "recall.a", "f1.a", "roc_auc.a", "average_precision.a", "precision.b.c", "recall.b.c",
                   "f1.b.c", "roc_auc.b.c", "average_precision.b.c"}));
  const Names labels = qualities(*make_task(kMultiLabel, two));
  EXPECT_EQ(Names(labels.begin(), labels.begin() + 11),
            (Names{"loss", "f1_micro", "f1_macro", "f1_weighted", "f1_samples", "subset_accuracy", "hamming_loss",
                   "log_loss", "ece", "roc_auc", "average_precision"}));
  EXPECT_EQ(qualities(*make_task(kRegression, two)),
            (Names{"loss", "mse", "mae", "r2", "pearson", "spearman", "mse.a", "mae.a", "r2.a", "pearson.a",
                   "spearman.a", "mse.b.c", "mae.b.c", "r2.b.c", "pearson.b.c", "spearman.b.c"}));
  for (const auto& [type, errors] : std::map<std::string_view, Names>{
           {kSingleLabel, {"loss", "log_loss", "brier", "ece"}},
           {kMultiLabel, {"loss", "hamming_loss", "log_loss", "ece"}},
           {kRegression, {"loss", "mse", "mae", "mse.a", "mae.a", "mse.b.c", "mae.b.c"}}}) {
    const auto task = make_task(type, two);
    Names smaller = qualities(*task);
    std::erase_if(smaller, [&](const std::string& name) { return !smaller_is_better(*task, name); });
    EXPECT_EQ(smaller, errors) << type;
  }
}

TEST(Tasks, FormsOfLabels) {
  EXPECT_EQ(make_task(kSingleLabel, {.outputs = 3})->labels().shape(5), (Shape{5}));
  EXPECT_EQ(make_task(kSingleLabel, {.outputs = 3})->labels().dtype, DType::kInt32);
  for (const std::string_view type : {kMultiLabel, kRegression}) {
    EXPECT_EQ(make_task(type, {.outputs = 3})->labels().shape(5), (Shape{5, 3}));
    EXPECT_EQ(make_task(type, {.outputs = 3})->labels().dtype, DType::kFloat32);
  }
}

TEST(SingleLabel, WeightsAndSmoothingChangeTheLoss) {
  const Tensor logits = Tensor::from(Doubles{0, 1, 2, -1}, {2, 2}),
               labels = Tensor::from(std::vector<std::int32_t>{0, 1}, {2});
  const double first = std::log(1 + std::exp(1.0)), second = std::log(1 + std::exp(3.0));  // of the two examples
  const auto loss = [&](const TaskOptions& options) {
    return loss_of(*make_task(kSingleLabel, options), logits, labels);
  };
  EXPECT_NEAR(loss({.dtype = DType::kFloat64}), (first + second) / 2, 1e-14);
  EXPECT_NEAR(loss({.dtype = DType::kFloat64, .class_weights = {3, 1}}), (3 * first + second) / 4, 1e-14);
  // Both classes of the first example: log p is -first and 1 - first; of the second 3 - second and -second.
  EXPECT_NEAR(loss({.dtype = DType::kFloat64, .label_smoothing = 0.2}),
              (0.9 * first + 0.1 * (first - 1) + 0.9 * second + 0.1 * (second - 3)) / 2, 1e-14);
}

TEST(SingleLabel, MeasuresByName) {
  const auto task = make_task(kSingleLabel, {.outputs = 2, .output_names = {"bad", "good"}});
  const auto found = measures_of(*task, Tensor::from(Doubles{2, 1, 0, 3, 1, 0}, {3, 2}),
                                 Tensor::from(std::vector<std::int32_t>{0, 1, 1}, {3}));
  EXPECT_EQ(found.at("accuracy"), 2.0 / 3);
  EXPECT_EQ(found.at("balanced_accuracy"), 0.75);
  EXPECT_EQ(found.at("precision.bad"), 0.5);
  EXPECT_EQ(found.at("recall.good"), 0.5);
  EXPECT_EQ(found.at("support.good"), 2);
  // p(good) is 1/(1+e) twice and 1/(1+e^-3); one of the two has the label, so half of that pair counts.
  EXPECT_EQ(found.at("roc_auc"), 0.75);
  EXPECT_EQ(found.at("roc_auc.bad"), 0.75);
  // good: 1 example at rank 1, then both of the equal ones, of which one is good; bad: one of two, at the first score.
  EXPECT_EQ(found.at("average_precision.good"), (1 + 2.0 / 3) / 2);
  EXPECT_EQ(found.at("average_precision.bad"), 0.5);
  EXPECT_EQ(found.at("average_precision"), ((1 + 2.0 / 3) / 2 + 0.5) / 2);
  EXPECT_EQ(task->measure(Tensor::zeros({0, 2}, DType::kFloat64), Tensor::zeros({0}, DType::kInt32)).front().value, 0);
}

TEST(SingleLabel, AreasAreMeansOverTheClassesThatHaveOne) {
  const auto task = make_task(kSingleLabel, {.outputs = 3});
  const Tensor logits = Tensor::from(Doubles{2, 1, 0, 0, 3, 0}, {2, 3});
  const auto two_of_three = measures_of(*task, logits, Tensor::from(std::vector<std::int32_t>{0, 1}, {2}));
  EXPECT_TRUE(std::isnan(two_of_three.at("roc_auc.2")));
  EXPECT_EQ(two_of_three.at("roc_auc"), 1);
  EXPECT_EQ(two_of_three.at("average_precision"), 1);
  const auto one = measures_of(*task, logits, Tensor::from(std::vector<std::int32_t>{0, 0}, {2}));
  EXPECT_TRUE(std::isnan(one.at("roc_auc"))) << "no class has negatives and positives";
}

TEST(SingleLabel, PredictsTheFirstOfTheLargest) {
  const Prediction out = make_task(kSingleLabel, {.outputs = 3})->predict(Doubles{0, 1, 1});
  EXPECT_EQ(out.chosen, (std::vector<std::int32_t>{1}));
  EXPECT_NEAR(out.probabilities[1], 1 / (2 + std::exp(-1.0)), 1e-15);
}

TEST(SingleLabel, ATemperatureChangesProbabilitiesAndNothingElse) {
  const TaskOptions options{.outputs = 3, .dtype = DType::kFloat64};
  const auto plain = make_task(kSingleLabel, options), calm = with_fit(*plain, 4);
  const Doubles logits = {1, 3, -2, 0, 1, 1};
  const Tensor rows = Tensor::from(logits, {2, 3}), labels = Tensor::from(std::vector<std::int32_t>{1, 2}, {2});
  const Prediction prediction = calm->predict(std::span(logits).first(3));
  EXPECT_EQ(prediction.chosen, plain->predict(std::span(logits).first(3)).chosen);
  EXPECT_NEAR(prediction.probabilities[1], 1 / (std::exp(-0.5) + 1 + std::exp(-1.25)), 1e-15);
  auto before = measures_of(*plain, rows, labels), after = measures_of(*calm, rows, labels);
  EXPECT_NEAR(after.at("log_loss"), (-std::log(prediction.probabilities[1]) + std::log(2 + std::exp(-0.25))) / 2,
              1e-15);
  EXPECT_EQ(loss_of(*calm, rows, labels), loss_of(*plain, rows, labels));
  for (const char* of_probabilities : {"log_loss", "brier", "ece"}) {
    EXPECT_NE(before.at(of_probabilities), after.at(of_probabilities));
    before.erase(of_probabilities);
    after.erase(of_probabilities);
  }
  EXPECT_EQ(before.at("accuracy"), after.at("accuracy"));
  EXPECT_EQ(before.at("f1_macro"), after.at("f1_macro"));
}

TEST(MultiLabel, ATemperatureDividesTheLogits) {
  const auto plain = make_task(kMultiLabel, {.outputs = 2, .dtype = DType::kFloat64});
  const auto fitted = with_fit(*plain, 2, {0.5, 0.7});
  const Prediction prediction = fitted->predict(Doubles{-1, 1.5});
  EXPECT_EQ(prediction.probabilities, (Doubles{sigmoid(-0.5), sigmoid(0.75)}));
  EXPECT_TRUE(prediction.chosen.empty()) << "0.68 is below the threshold";
  const Tensor row = Tensor::from(Doubles{-1, 1.5}, {1, 2}), labels = Tensor::from(std::vector<float>{1, 1}, {1, 2});
  EXPECT_NEAR(measures_of(*fitted, row, labels).at("log_loss"),
              -(std::log(sigmoid(-0.5)) + std::log(sigmoid(0.75))) / 2, 1e-15);
  EXPECT_NEAR(measures_of(*fitted, row, labels).at("ece"), ((1 - sigmoid(-0.5)) + (1 - sigmoid(0.75))) / 2, 1e-15);
  EXPECT_NEAR(measures_of(*plain, row, labels).at("log_loss"), loss_of(*plain, row, labels), 1e-15);
}

TEST(MultiLabel, PositiveWeightsChangeTheLoss) {
  const Tensor logits = Tensor::from(Doubles{0, 2}, {1, 2}), labels = Tensor::from(std::vector<float>{1, 0}, {1, 2});
  const double positive = std::log(2.0), negative = std::log(1 + std::exp(2.0));
  const auto loss = [&](const TaskOptions& options) {
    return loss_of(*make_task(kMultiLabel, options), logits, labels);
  };
  EXPECT_NEAR(loss({.dtype = DType::kFloat64}), (positive + negative) / 2, 1e-14);
  EXPECT_NEAR(loss({.dtype = DType::kFloat64, .positive_weights = {5, 7}}), (5 * positive + negative) / 2, 1e-14);
}

TEST(MultiLabel, ThresholdsDecide) {
  const Doubles logits = {0.1, -1, 3};
  EXPECT_EQ(make_task(kMultiLabel, {.outputs = 3})->predict(logits).chosen, (std::vector<std::int32_t>{0, 2}));
  const auto strict = make_task(kMultiLabel, {.outputs = 3, .thresholds = {0.9, 0.2, 0.9}});
  EXPECT_EQ(strict->predict(logits).chosen, (std::vector<std::int32_t>{1, 2}));
  EXPECT_EQ(strict->predict(logits).probabilities, (Doubles{sigmoid(0.1), sigmoid(-1), sigmoid(3)}));
  EXPECT_EQ(strict->thresholds(), (Doubles{0.9, 0.2, 0.9}));
  const Tensor row = Tensor::from(logits, {1, 3}), labels = Tensor::from(std::vector<float>{0, 1, 1}, {1, 3});
  EXPECT_EQ(measures_of(*strict, row, labels).at("subset_accuracy"), 1);
  EXPECT_EQ(measures_of(*make_task(kMultiLabel, {.outputs = 3}), row, labels).at("hamming_loss"), 2.0 / 3);
}

TEST(Regression, MeasuresAreMeansOverTheNumbers) {
  const auto task = make_task(kRegression, {.outputs = 2, .output_names = {"x", "y"}, .dtype = DType::kFloat64});
  const Tensor predicted = Tensor::from(Doubles{1, 4, 2, 4, 3, 4}, {3, 2}),
               labels = Tensor::from(std::vector<float>{1, 3, 2, 4, 5, 5}, {3, 2});
  const auto found = measures_of(*task, predicted, labels);
  EXPECT_NEAR(found.at("mse.x"), 4.0 / 3, 1e-15);
  EXPECT_NEAR(found.at("mse"), (4.0 / 3 + 2.0 / 3) / 2, 1e-15);
  EXPECT_NEAR(loss_of(*task, predicted, labels), found.at("mse"), 1e-14);
  EXPECT_TRUE(std::isnan(found.at("pearson.y"))) << "the predictions are constant";
  EXPECT_TRUE(std::isnan(found.at("pearson")));
  EXPECT_TRUE(task->predict(Doubles{1, 2}).probabilities.empty());
}

TEST(BalancedWeights, OfClasses) {
  const Tensor labels = Tensor::from(std::vector<std::int32_t>{0, 0, 0, 1}, {4});
  EXPECT_EQ(balanced_class_weights(labels, {"a", "b"}), (Doubles{4 / 6.0, 2}));
  EXPECT_EQ(message_of([&] {
              balanced_class_weights(labels, {"a", "b", "c"});
            }),
            "balanced class weights need an example of every class; 'c' has none");
}

TEST(BalancedWeights, OfLabels) {
  const Tensor labels = Tensor::from(std::vector<float>{1, 0, 1, 0, 0, 1, 1, 0}, {4, 2});
  EXPECT_EQ(balanced_positive_weights(labels, {"a", "b"}), (Doubles{1 / 3.0, 3}));
  EXPECT_EQ(message_of([&] {
              balanced_positive_weights(Tensor::zeros({2, 1}, DType::kFloat32), {"a"});
            }),
            "balanced positive weights need an example with every label; 'a' has none");
  EXPECT_EQ(message_of([&] {
              balanced_positive_weights(Tensor::from(std::vector<float>{1, 1}, {2, 1}), {"a"});
            }),
            "balanced positive weights need an example without the label 'a'; all have it");
}

TEST(Tasks, OptionsThatCannotBe) {
  EXPECT_EQ(refusal(kSingleLabel, {.class_weights = {1, 2, 3}}), "class weights: there are 3 for 2 classes or labels");
  EXPECT_EQ(refusal(kSingleLabel, {.class_weights = {1, kNan}}), "class weights: nan is not a finite number from 0 on");
  EXPECT_EQ(refusal(kSingleLabel, {.class_weights = {1, kInfinity}}),
            "class weights: inf is not a finite number from 0 on");
  EXPECT_EQ(refusal(kSingleLabel, {.class_weights = {1, -1}}), "class weights: -1 is not a finite number from 0 on");
  EXPECT_EQ(refusal(kSingleLabel, {.class_weights = {0, 0}}), "class weights: all are 0");
  EXPECT_EQ(refusal(kSingleLabel, {.label_smoothing = 1}), "the label smoothing 1 is not in [0, 1)");
  EXPECT_EQ(refusal(kSingleLabel, {.label_smoothing = kNan}), "the label smoothing nan is not in [0, 1)");
  EXPECT_EQ(refusal(kMultiLabel, {.positive_weights = {1}}), "positive weights: there are 1 for 2 classes or labels");
  EXPECT_EQ(refusal(kMultiLabel, {.thresholds = {0.5}}), "1 thresholds for 2 labels");
  EXPECT_EQ(refusal(kMultiLabel, {.thresholds = {0.5, 1}}), "the threshold 1 is not in (0, 1)");
  for (const std::string_view type : {kSingleLabel, kMultiLabel, kRegression})
    EXPECT_EQ(refusal(type, {.temperature = 0}), "the temperature 0 is not a finite number above 0");
  EXPECT_EQ(refusal(kSingleLabel, {.temperature = kNan}), "the temperature nan is not a finite number above 0");
  EXPECT_EQ(refusal(kRegression, {.outputs = 0}), "a task has at least one output, not 0");
  EXPECT_EQ(refusal(kRegression, {.outputs = 2, .output_names = {"x"}}), "1 names for 2 outputs");
}

}  // namespace
}  // namespace attune::testing
