// The page of a training run: report.html. A function of plain data, which apps/support/run_report.h collects.
//
// Everything is bounded: curves and rankings come thinned, and of many classes, options or texts only the first are
// shown, with a line that says how many there are.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/report/thinned_curve.h"

namespace attune {

using TextPairs = std::vector<std::pair<std::string, std::string>>;

struct PageOption {
  std::string name, value, standard;  // standard: the default
};

/// The curves of a run over its batches, counted from 0.
struct RunCurves {
  ThinnedCurve loss, learning_rate, grad_norm;         // of every batch
  ThinnedCurve train_loss, validation_loss, measured;  // of the evaluations; measured: the measure of --keep_best
};

struct PageSplit {
  std::string title;
  std::int64_t examples = 0;
  std::vector<std::int64_t> counts = {};                    // examples of each class or label; empty for numbers
  std::vector<std::pair<double, double>> numbers = {};      // of each number: mean and standard deviation
  std::int64_t median = 0, percentile_95 = 0, longest = 0;  // tokens
  double cut = 0;                                           // share
  std::optional<std::int64_t> windows = {};                 // of all texts; none if long texts are cut
  std::int64_t empty = 0, repeated = 0;
  std::vector<std::int64_t> lengths = {};  // examples of each length in tokens
};

/// Measures of one split; those of one output have its number.
struct PageMeasure {
  std::string name;
  double value;  // nan: undefined
  std::optional<std::size_t> output = {};
};
struct PageEvaluation {
  std::string split;
  std::int64_t examples = 0;
  std::vector<PageMeasure> measures = {};
};

struct ReliabilityBin {
  std::int64_t examples = 0;
  double confidence = 0, accuracy = 0;  // means
};
struct RankingCurve {
  std::size_t output = 0;
  double average_precision = 0;
  std::vector<CurvePoint> points = {};  // x: recall, which rises; y: precision; at: threshold
};
/// Numbers of the texts against their predictions.
struct NumberFit {
  std::size_t output = 0;
  std::vector<CurvePoint> points = {};  // x: label, y: prediction; a part of them if there are many
  std::vector<double> residuals = {};   // prediction less label, of all
};

struct PageMistake {
  std::int64_t row = 0;  // of the split, from 1
  double loss = 0;
  std::string labels, predictions;  // as texts
  std::string text = {}, pair = {};
  bool text_found = false;
  std::size_t explained = 0;                               // the output that the words speak for or against
  std::vector<std::pair<std::string, double>> words = {};  // in order, with what each contributes
};

/// What the predictions for the test split show.
struct PageFigures {
  std::int64_t examples = 0;
  std::vector<std::int64_t> confusion = {};  // [classes, classes], a row for each label
  std::vector<ReliabilityBin> reliability = {};
  double calibration_error = 0;
  std::vector<RankingCurve> rankings = {};  // of some outputs
  std::vector<NumberFit> fits = {};
  std::vector<PageMistake> mistakes = {};  // the worst first
  std::int64_t all_mistakes = 0;
};

struct RunPage {
  std::string title, subtitle;
  std::vector<std::string> remarks = {};  // what a reader must know first: the run was interrupted, ...
  TextPairs tiles = {};                   // a number and what it says
  std::vector<std::string> outputs = {};  // names of the classes, labels or numbers
  bool numbers = false;                   // outputs are numbers
  bool labels = false;                    // a text may have several labels
  std::vector<PageOption> options = {};
  std::string command = {};
  TextPairs environment = {};
  std::vector<PageSplit> splits = {};
  std::vector<std::string> data_remarks = {};
  std::int64_t max_length = 0;  // tokens to which texts are cut
  RunCurves curves = {};
  std::string kept_measure = {};  // of --keep_best
  std::optional<std::int64_t> best_step = {};
  std::vector<PageEvaluation> evaluations = {};
  std::optional<PageFigures> figures = {};  // of the test split
};

/// The document.
std::string run_page(const RunPage& page);

}  // namespace attune
