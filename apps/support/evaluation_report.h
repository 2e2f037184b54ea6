// The measures of a model's predictions for labelled texts, as tables for people or as one JSON object.
//
// JSON: {"data": ..., "examples": 80, "measures": {"accuracy": ...}, "outputs": {"NAME": {"f1": ...}},
// "confusion_matrix": [[...]], "groups": {"VALUE": {"examples": 7, "accuracy": ...}}, "mistakes": [{"row": 3, ...}]}.
// Of the confusion matrix, rows are labels and columns are predictions, in the order of "outputs"; only tasks with one
// class have it. "groups" and "mistakes" are there if they were asked for, and with evaluate --calibrate
// also "calibration". An undefined measure is null.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/support/labelled_texts.h"
#include "json/value.h"

namespace attune {

class EvaluationReport {
 public:
  /// `logits` float64 [E, outputs] of all texts of `data`, which was read from `path`.
  EvaluationReport(const Predictor& model, const std::string& path, const LabelledTexts& data, Tensor logits);

  /// Adds the main measures of each group of the data.
  void add_groups();
  /// Adds the rows with the largest losses, at most `count`, the worst first.
  void add_mistakes(std::int64_t count);

  /// The object; every digit and every text is whole.
  json::Value json() const;
  /// Tables with four decimals; texts are cut so that lines have at most `width` columns.
  std::string text(std::size_t width) const;

 private:
  struct Mistake {
    std::int64_t row;  // from 0
    double loss;
  };
  using Values = std::vector<std::pair<std::string, double>>;

  // Loss and measures of some rows.
  Values measure(const Tensor& logits, const Tensor& labels) const;
  json::Value mistake_json(const Mistake& mistake) const;
  std::vector<std::string> label_names(std::int64_t row) const;
  std::string confusion_text() const;
  std::string mistakes_text(std::size_t width) const;
  std::vector<double> logits_of(std::int64_t row) const;

  const Predictor& model_;
  std::string path_;
  const LabelledTexts& data_;
  Tensor logits_;
  Values overall_;                                       // by name
  std::vector<std::pair<std::string, Values>> outputs_;  // of each output, by name
  std::vector<std::int64_t> confusion_;                  // empty: none
  std::vector<std::pair<std::string, Values>> groups_;   // by value, with "examples"
  std::vector<Mistake> mistakes_;
};

}  // namespace attune
