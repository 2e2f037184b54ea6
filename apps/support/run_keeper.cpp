#include "apps/support/run_keeper.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <utility>

#include "apps/support/version.h"
#include "base/printable.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

std::string value_of(const RunOptions& options, const std::string& name) {
  const auto found = std::ranges::find(options, name, [](const auto& option) { return option.first; });
  return found == options.end() ? "" : found->second;
}

}  // namespace

bool same_value(const std::string& a, const std::string& b) {
  if (a == b) return true;
  if ((a + b).find_first_of(".eE") == std::string::npos) return false;
  const auto number = [](const std::string& text) -> std::optional<double> {
    std::size_t end = 0;
    try {
      const double value = std::stod(text, &end);
      if (end == text.size()) return value;
    } catch (const std::exception&) {  // no number
    }
    return std::nullopt;
  };
  return number(a) && number(a) == number(b);
}

std::string difference_of_options(const std::string& name, const std::string& now, const std::string& before,
                                  const std::string& earlier) {
  const bool flag = now == "true" || before == "true";  // an option without a value
  const auto with = [&](const std::string& value) { return flag ? name : name + " " + printable(value); };
  if (before.empty()) return str_cat(with(now), " is given, but ", earlier, " made without it");
  if (now.empty()) return str_cat(name, " is not given, but ", earlier, " made with ", flag ? "it" : with(before));
  return str_cat(name, " is ", printable(now), ", but ", earlier, " made with ", printable(before));
}

void check_options(const RunState& saved, const std::string& file, const RunOptions& now) {
  CHECK(saved.version == built_version(), file, ": was made by attune ", saved.version, "; this is ", built_version());
  const std::string schedule = value_of(saved.options, "--lr_schedule");
  const bool may_be_longer = (schedule == "constant" || schedule == "inverse_sqrt") &&
                             same_value(value_of(saved.options, "--warmup_ratio"), "0");
  for (const auto& [name, value] : now) {
    const std::string before = value_of(saved.options, name);
    if (same_value(value, before) || (may_be_longer && (name == "--num_epochs" || name == "--max_steps"))) continue;
    if (name.starts_with("--"))
      throw Error(str_cat(difference_of_options(name, value, before, "the checkpoint was"), " (", file, ")"));
    throw Error(str_cat("the ", name, " are not those that the checkpoint was made with: SHA-256 ", value, ", there ",
                        before.empty() ? "none" : before, " (", file, ")"));
  }
}

RunKeeper::RunKeeper(const TrainingFlags& flags, RunOptions options) : flags_(flags), options_(std::move(options)) {
  if (flags.resume) {
    file_ = find_checkpoint(flags.resume->empty() ? flags.output : *flags.resume);
    state_ = read_run_state(file_);
    check_options(*state_, file_, options_);
    report_ = ReportState{.log = {}, .history = state_->history};
    if (state_->log_offset) report_->log = LogState{*state_->log_offset, state_->log_digest};
  }
  if (flags.output.empty()) return;
  refuse_unfinished(checkpoints_folder(flags.output));
  if (flags.checkpoint_every > 0 || has_checkpoint(checkpoints_folder(flags.output)))
    checkpoints_ = std::make_unique<Checkpoints>(checkpoints_folder(flags_.output));
}

void RunKeeper::refuse_unfinished(const std::string& folder) const {
  if (!has_checkpoint(folder) || (state_ && fs::equivalent(fs::path(file_).parent_path(), folder))) return;
  const RunState there = read_run_state(find_checkpoint(folder));
  CHECK(there.finished, folder, ": has the checkpoints of a run that is not finished (", there.step,
        " batches are done): --resume goes on with it; otherwise remove the folder");
}

void RunKeeper::restore(Trainer& trainer) {
  if (!state_) return;
  trainer.restore(*state_);
  std::cout << "Resumed after " << state_->step << " of " << trainer.total_steps() << " batches from " << file_
            << std::endl;
  state_.reset();
}

void RunKeeper::write(RunState state, ReportState report, std::int64_t keep) {
  state.version = built_version();
  state.options = options_;
  if (report.log) {
    state.log_offset = report.log->bytes;
    state.log_digest = report.log->digest;
  }
  state.history = std::move(report.history);
  if (!checkpoints_) checkpoints_ = std::make_unique<Checkpoints>(checkpoints_folder(flags_.output));
  checkpoints_->save(state, keep);
  saved_ = true;
}

void RunKeeper::save(const RunState& state, ReportState report) {
  try {
    write(state, std::move(report), std::max<std::int64_t>(flags_.keep, 1));
  } catch (const IoError& error) {
    std::cerr << "warning: " << error.what() << "; the run goes on without this checkpoint" << std::endl;
  }
}

void RunKeeper::close(const RunState& state, ReportState report) {
  if (flags_.output.empty()) return;
  if (!state.finished) {
    write(state, std::move(report), std::max<std::int64_t>(flags_.keep, 1));
    std::cout << "Saved a checkpoint to " << checkpoints_->folder() << "; --resume goes on with it" << std::endl;
    return;
  }
  try {  // the model is saved: a folder that went away meanwhile costs only this checkpoint
    if (flags_.keep > 0 && (flags_.checkpoint_every > 0 || checkpoints_))
      write(state, std::move(report), 1);
    else if (checkpoints_)
      checkpoints_->clear();
  } catch (const IoError& error) {
    std::cerr << "warning: " << error.what() << "; the run ends without its last checkpoint" << std::endl;
  }
}

}  // namespace attune
