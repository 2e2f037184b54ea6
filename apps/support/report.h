// The report of a training run: lines on standard output in the reference recipe's wording, a progress bar on a
// terminal, and a log file of JSON lines with every digit.
//
// Log file, one object per line, written as the run goes:
//   after every batch:       {"step": 0, "loss": ..., "learning_rate": ..., "grad_norm": ..., "tokens_per_second": ...}
//   after every evaluation:  {"step": 0, "train_loss": ..., "val_loss": ...}; with --keep_best also "keep_best": its
//                            value over the whole validation split
//   at the end of an epoch:  {"epoch": 1, "train_accuracy": ..., "val_accuracy": ...}
//   at the end of the run:   {"best_step": 50, "measure": "f1_macro", "value": ...} with --keep_best, and
//                            {"split": "test", "accuracy": ..., "loss": ...}; before these with --calibrate or
//                            --threshold tuned {"fitted_to": "validation", "temperature": ..., "log_loss_before": ...,
//                            "log_loss": ..., ...}
//   if numbers are not finite: {"stopped_at_step": 7, "kind": "weight", "tensor": "...", "error": ...}, and no more
// The first line of a log also has "attune_log", the version that wrote it.
// Lines of epochs and splits have every measure of the task (engine/train/task.h).
//
// The same numbers can go to an event file for TensorBoard (apps/support/event_file.h), under the tags train/loss,
// evaluation/validation_loss, epoch/validation_accuracy, final/test_accuracy and so on.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "apps/support/event_file.h"
#include "apps/support/log_file.h"
#include "apps/support/progress.h"
#include "apps/support/run_history.h"
#include "engine/train/trainer.h"
#include "json/value.h"

namespace attune {

/// What a checkpoint keeps of the report.
struct ReportState {
  std::optional<LogState> log;  // none: no log
  std::string history;          // RunHistory::text(); empty: none
};

class TrainReport : public TrainObserver {
 public:
  /// `log_file` may be empty: no log. `resumed` is the report of the checkpoint that a run goes on with. Throws as
  /// LogFile does. If a later write fails, it prints a warning on standard error and the log ends there, because a run of
  /// hours is worth more than its log; a run that goes on from there says which lines are missing.
  TrainReport(const std::string& log_file, const Task& task, const std::optional<ReportState>& resumed = {});

  /// From begin() on the numbers also go to an event file in this folder. Only before begin(), which then throws
  /// IoError if it cannot be created.
  void write_events(const std::string& folder) { events_folder_ = folder; }

  /// The progress line also has the memory of a run on this device.
  void show_memory_of(Device device) { memory_of_ = device; }
  /// And the speed of a run, as a share of that of its machine, which does so many tokens a second at its peak.
  void show_share_of(double peak_tokens_per_second) { peak_ = peak_tokens_per_second; }

  void begin(std::int64_t step, std::int64_t total_steps) override;
  void step(const StepRecord& record) override;
  void evaluation(const EvaluationRecord& record) override;
  void epoch(const EpochRecord& record) override;
  /// The step that the best model is of, and its value; none if the measure was never defined.
  void best(const std::string& measure, const std::optional<BestValue>& best);
  /// Closing lines of one split: `title` is "Training", "Validation" or "Test", `name` its name in the log.
  void split(const std::string& title, const std::string& name, const Evaluation& evaluation);
  /// What step() and evaluation() were called with, and what a run that goes on has from before it was interrupted.
  const RunHistory& history() const { return history_; }
  /// The measures of the splits that split() was called for, by name.
  const json::Value& splits() const { return splits_; }
  /// What was fitted to the validation split: its line in the log.
  void fitted(const json::Value& record);
  /// The record of fitted(); empty if nothing was fitted.
  const json::Value& fitted() const { return fitted_; }
  /// The last line of a run that an error ends.
  void stopped(const NotFiniteError& error);
  ReportState state() const { return {log_ ? log_->state() : std::nullopt, history_.text()}; }
  /// Removes the progress bar before something else is printed.
  void clear_progress();

 private:
  void log(const json::Value& record);
  void write_event(std::int64_t step, const EventFile::Scalars& scalars);

  std::vector<Headline> headlines_;
  std::optional<LogFile> log_;
  std::unique_ptr<Progress> progress_;
  std::optional<Device> memory_of_;
  std::optional<double> peak_;  // tokens a second
  std::string events_folder_;
  std::unique_ptr<EventFile> events_;
  std::int64_t last_step_ = 0;
  json::Value splits_ = json::Value::object(), fitted_ = json::Value::object();
  RunHistory history_;
};

}  // namespace attune
