// --save_adapter: the low-rank changes of a run alone.
#pragma once

#include <memory>

#include "apps/support/fine_tune.h"
#include "engine/io/locked_folder.h"

namespace attune {

/// Checks before the run that they can be saved. The lock on their folder, to be held for the whole run; null without
/// --save_adapter. Throws UsageError if they have no base model, or if the folder has a whole model of the run; Error if
/// another run has the folder; IoError if it cannot be written.
std::unique_ptr<LockedFolder> lock_adapter(const FineTuneJob& job, const TrainingFlags& flags);
void save_adapter(const FineTuneJob& job, const TrainingFlags& flags);

}  // namespace attune
