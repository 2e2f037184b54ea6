// What the predictions for a split show, and the texts that are read again.
#include "apps/support/prediction_figures.h"

#include <gtest/gtest.h>

#include <random>

#include "apps/support/texts_again.h"
#include "engine/train/measures.h"
#include "tests/apps/splits.h"

namespace attune::testing {
namespace {

Evaluation evaluated(const Task& task, const Tensor& logits, const Tensor& labels) {
  Evaluation out{
      .examples = logits.shape()[0], .measures = task.measure(logits, labels), .logits = logits, .labels = labels};
  for (std::int32_t i = 0; i < out.examples; ++i) out.rows.push_back(i);
  return out;
}

std::vector<double> random_logits(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<double> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(std::normal_distribution<>(0, 2)(random));
  return out;
}

// One class: the numbers of the log.
TEST(Figures, OfOneClass) {
  const std::vector<std::string> names = {"a", "b", "c"};
  const auto task = make_task(kSingleLabel, {.outputs = 3, .output_names = names});
  std::vector<std::int32_t> classes;
  for (int i = 0; i < 200; ++i) classes.push_back(i * i % 3 == 0 ? 0 : i % 3);
  const Tensor logits = Tensor::from(random_logits(600, 1), {200, 3}), labels = Tensor::from(classes, {200});
  const Evaluation evaluation = evaluated(*task, logits, labels);
  const PageFigures figures = figures_of(evaluation, *task, names);
  EXPECT_EQ(figures.examples, 200);
  EXPECT_EQ(figures.calibration_error, evaluation.measure("ece"));
  std::int64_t binned = 0, confused = 0, wrong = 0;
  double error = 0;
  for (const ReliabilityBin& bin : figures.reliability) {
    binned += bin.examples;
    error += static_cast<double>(bin.examples) / 200 * std::abs(bin.accuracy - bin.confidence);
  }
  EXPECT_NEAR(error, figures.calibration_error, 1e-12) << "the bins are those of the measure";
  for (std::size_t i = 0; i < 9; ++i) {
    confused += figures.confusion[i];
    wrong += i % 4 == 0 ? 0 : figures.confusion[i];
  }
  EXPECT_EQ(binned, 200);
  EXPECT_EQ(confused, 200);
  EXPECT_EQ(figures.all_mistakes, wrong);
  EXPECT_NEAR(1 - static_cast<double>(wrong) / 200, evaluation.measure("accuracy"), 1e-12);
  ASSERT_EQ(figures.rankings.size(), 3u);
  EXPECT_EQ(figures.rankings[1].average_precision, evaluation.measure("average_precision.b"));
  EXPECT_EQ(figures.rankings[1].points.back().x, 1) << "recall ends at 1";
  EXPECT_GT(figures.rankings[1].points.front().at, figures.rankings[1].points.back().at) << "thresholds fall";
  ASSERT_EQ(figures.mistakes.size(), 10u);
  for (std::size_t i = 1; i < 10; ++i) EXPECT_LE(figures.mistakes[i].loss, figures.mistakes[i - 1].loss);
  // The worst is the text whose label has the smallest probability.
  const std::vector<double> probabilities = measures::softmax_rows(logits);
  double smallest = 1;
  for (std::size_t i = 0; i < 200; ++i)
    smallest = std::min(smallest, probabilities[3 * i + static_cast<std::size_t>(classes[i])]);
  EXPECT_NEAR(figures.mistakes[0].loss, -std::log(smallest), 1e-12);
}

TEST(Figures, OfSeveralLabels) {
  const std::vector<std::string> names = {"x", "y"};
  const auto task = make_task(kMultiLabel, {.outputs = 2, .output_names = names});
  const Tensor logits = Tensor::from(std::vector<double>{3, -3, 3, 3, -9, 1, -1, -1}, {4, 2});
  const Tensor labels = Tensor::from(std::vector<float>{1, 0, 0, 1, 1, 1, 0, 0}, {4, 2});
  const PageFigures figures = figures_of(evaluated(*task, logits, labels), *task, names);
  EXPECT_TRUE(figures.confusion.empty());
  EXPECT_EQ(figures.all_mistakes, 2);
  ASSERT_EQ(figures.mistakes.size(), 2u);
  EXPECT_EQ(figures.mistakes[0].row, 3);
  EXPECT_EQ(figures.mistakes[0].labels, "x, y");
  EXPECT_EQ(figures.mistakes[0].predictions, "y 73.1%");
  EXPECT_EQ(figures.mistakes[0].explained, 0u) << "x was missed";
  EXPECT_EQ(figures.mistakes[1].row, 2);
  EXPECT_EQ(figures.rankings.size(), 2u);
}

// The losses of mistakes are those of evaluate: weights and a temperature change nothing, nor do probabilities of 0 or 1.
TEST(Figures, LossesAreThoseOfEvaluate) {
  const std::vector<std::string> names = {"x", "y"};
  const auto task =
      make_task(kMultiLabel, {.outputs = 2, .output_names = names, .positive_weights = {9, 9}, .temperature = 0.05});
  const Tensor logits = Tensor::from(std::vector<double>{3, 2, -4, -1}, {2, 2});
  const Tensor labels = Tensor::from(std::vector<float>{0, 1, 1, 0}, {2, 2});
  const PageFigures figures = figures_of(evaluated(*task, logits, labels), *task, names);
  ASSERT_EQ(figures.mistakes.size(), 2u);
  EXPECT_NEAR(figures.mistakes[0].loss, (std::log1p(std::exp(4)) + std::log1p(std::exp(-1))) / 2, 1e-12);
  EXPECT_NEAR(figures.mistakes[1].loss, (std::log1p(std::exp(3)) + std::log1p(std::exp(-2))) / 2, 1e-12);
}

TEST(Figures, OfNumbers) {
  const std::vector<std::string> names = {"p", "q"};
  const auto task = make_task(kRegression, {.outputs = 2, .output_names = names});
  const Tensor logits = Tensor::from(std::vector<double>{1, 2, 3, 4, 5, 6}, {3, 2});
  const Tensor labels = Tensor::from(std::vector<float>{1, 2, 3, 0, 4, 6}, {3, 2});
  const PageFigures figures = figures_of(evaluated(*task, logits, labels), *task, names);
  ASSERT_EQ(figures.fits.size(), 2u);
  EXPECT_EQ(figures.fits[1].residuals, (std::vector<double>{0, 4, 0}));
  EXPECT_EQ(figures.fits[0].points[2].x, 4);
  EXPECT_EQ(figures.fits[0].points[2].y, 5);
  EXPECT_TRUE(figures.reliability.empty());
  EXPECT_EQ(figures.mistakes[0].row, 2);
  EXPECT_EQ(figures.mistakes[0].loss, 8);
  EXPECT_EQ(figures.mistakes[0].explained, 1u);
}

TEST(Figures, OfManyClassesAreBounded) {
  std::vector<std::string> names;
  for (int k = 0; k < 40; ++k) names.push_back(std::to_string(k));
  const auto task = make_task(kSingleLabel, {.outputs = 40, .output_names = names});
  std::vector<std::int32_t> classes;
  for (int i = 0; i < 3000; ++i) classes.push_back(i % 40);
  const Evaluation evaluation =
      evaluated(*task, Tensor::from(random_logits(120000, 2), {3000, 40}), Tensor::from(classes, {3000}));
  const PageFigures figures = figures_of(evaluation, *task, names);
  ASSERT_EQ(figures.rankings.size(), 6u);
  double sum = 0;
  for (const RankingCurve& curve : figures.rankings) {
    EXPECT_LE(curve.points.size(), 202u);
    sum += curve.average_precision / 6;
  }
  EXPECT_LT(sum, evaluation.measure("average_precision")) << "the lowest are shown";
}

class TextsAgain : public Splits {
 protected:
  std::vector<std::string> again(const RowChoice& source, const Dataset& split, const std::vector<std::int64_t>& rows) {
    std::vector<std::string> out;
    for (const auto& found : read_texts_again(source, {}, split, rows)) out.push_back(found ? found->text : "(none)");
    return out;
  }
};
using Texts = std::vector<std::string>;

TEST_F(TextsAgain, OfAFile) {
  std::string text = "text,label\n";
  for (int i = 0; i < 500; ++i) text += "row " + std::to_string(i) + "," + std::to_string(i % 2) + "\n";
  write_file(path_, text);
  const Dataset split = read(3);
  EXPECT_EQ(again({path_}, split, {499, 0, 250}), (Texts{"row 499", "row 0", "row 250"}));
  EXPECT_EQ(again({path_}, split, {}), Texts{});
  // A text that has changed is not shown as that of the run.
  write_file(path_, std::string(text).replace(text.find("row 250"), 7, "ROW 250"));
  EXPECT_EQ(again({path_}, split, {250, 251}), (Texts{"(none)", "row 251"}));
  write_file(path_, "text,label\nrow 0,0\n");
  EXPECT_EQ(again({path_}, split, {0, 250}), (Texts{"row 0", "(none)"}));
}

TEST_F(TextsAgain, OfASplitOfAFile) {
  std::string text = "text,label\n";
  for (int i = 0; i < 100; ++i) text += "row " + std::to_string(i) + "," + std::to_string(i % 2) + "\n";
  write_file(path_, text);
  const auto shares = std::make_shared<RowSplit>(path_, SplitShares{0.5, 0.2, 0.3}, 7);
  const SplitSource source{.path = path_, .part = 2, .split = shares};
  ClassLabels labels("label", 2);
  SplitReader reader(tokenizer_, {}, labels, "");
  (void)reader.read({.path = path_, .part = 0, .split = shares}, 0, 0);
  for (const std::int64_t max_rows : {0, 11}) {
    const Dataset test = reader.read(source, max_rows, 0);
    ASSERT_EQ(test.size(), max_rows == 0 ? 30 : 11);
    const RowChoice choice = source.rows({}, labels, max_rows);
    Texts expected;
    for (std::size_t i = 0; i < 100; ++i)
      if (choice.parts[i] == 2) expected.push_back("row " + std::to_string(i));
    EXPECT_EQ(again(choice, test, {0, 7, 10}), (Texts{expected[0], expected[7], expected[10]}));
  }
}

}  // namespace
}  // namespace attune::testing
