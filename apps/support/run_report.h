// report.html in the output folder of a run: the page of apps/report/run_page.h, from everything that the run knows.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/report/run_page.h"
#include "apps/support/fine_tune.h"
#include "apps/support/run_file.h"

namespace attune {

class BestModel;
struct TextFacts;

class RunReport {
 public:
  /// Both must outlive it.
  RunReport(const FineTuneJob& job, const TrainingFlags& flags) : job_(job), flags_(flags) {}

  /// Keeps the measures of a split, and of the test split what its predictions show. `name` is "train", "validation" or
  /// "test"; `task` makes predictions of the logits.
  void add(const std::string& name, const Evaluation& evaluation, const Task& task);
  /// Reads the texts of the worst mistakes again, and finds which of their words mattered: a bounded number of passes.
  /// Where the texts cannot be read, a warning on standard error says why.
  void explain_mistakes();
  /// Writes FOLDER/report.html. Throws IoError.
  void write(const std::string& folder, const RunSummary& run, const RunCurves& curves, const BestModel* best,
             bool finished) const;

 private:
  void add_numbers(RunPage& page, const RunSummary& run, bool finished) const;
  PageSplit split_of(const std::string& title, const Dataset& split, const TextFacts& facts) const;

  const FineTuneJob& job_;
  const TrainingFlags& flags_;
  std::vector<PageEvaluation> evaluations_;
  std::optional<PageFigures> figures_;
};

/// The name of the file.
inline constexpr const char* kReportFile = "report.html";

}  // namespace attune
