// Saving and resuming a training run: --checkpoint_every, --keep and --resume.
//
// A run resumes only as the same run: every flag that affects a number must be the same, and so must the examples and
// the model. Paths of files and options of the machine may change.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/support/report.h"
#include "apps/support/training_flags.h"
#include "engine/train/checkpoints.h"

namespace attune {

/// Names and values of everything that affects a run's numbers; names of flags begin with "--".
using RunOptions = std::vector<std::pair<std::string, std::string>>;

/// Whether two values of an option are the same text or, written with a point or an exponent, the same number: 1e-4 and
/// 0.0001.
bool same_value(const std::string& a, const std::string& b);

/// The text of an error: the value of an option is not that of an earlier run. An empty value: it is not given.
/// `earlier` names that run, as "the checkpoint was"; "made with ..." follows.
std::string difference_of_options(const std::string& name, const std::string& now, const std::string& before,
                                  const std::string& earlier);

/// Throws Error naming the first difference between the options of a checkpoint and those of this run. --num_epochs and
/// --max_steps may differ if the learning rate does not depend on them.
void check_options(const RunState& saved, const std::string& file, const RunOptions& now);

class RunKeeper {
 public:
  /// Reads the checkpoint of --resume; `options` are the options of this run. Throws IoError or Error if it cannot be
  /// read or is another run's; Error if --output has the checkpoints of a run that is not finished and is not the one
  /// to resume.
  RunKeeper(const TrainingFlags& flags, RunOptions options);

  /// RunState::digest of the resumed checkpoint; empty: there is none.
  std::string digest() const { return state_ ? state_->digest : ""; }
  /// What the resumed checkpoint keeps of the report; nothing: there is none.
  const std::optional<ReportState>& report() const { return report_; }
  /// Restores the checkpoint, if one was requested.
  void restore(Trainer& trainer);

  /// Saves a checkpoint of a run that continues. If the disk refuses, prints a warning and continues: the run is worth
  /// more.
  void save(const RunState& state, ReportState report);
  /// Saves a checkpoint of a run that ends here: finished, or to be resumed later. Throws IoError.
  void close(const RunState& state, ReportState report);
  /// Whether --resume finds a checkpoint of this run.
  bool can_go_on() const { return !file_.empty() || saved_; }

 private:
  void refuse_unfinished(const std::string& folder) const;
  void write(RunState state, ReportState report, std::int64_t keep);

  const TrainingFlags& flags_;
  RunOptions options_;
  std::string file_;  // that is resumed
  std::optional<RunState> state_;
  std::optional<ReportState> report_;
  std::unique_ptr<Checkpoints> checkpoints_;
  bool saved_ = false;
};

}  // namespace attune
