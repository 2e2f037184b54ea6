// --save_adapter: the low-rank changes of a run alone.
#pragma once

#include <string>

#include "apps/support/fine_tune.h"

namespace attune {

/// Checks before the run that they can be saved. Throws UsageError if they have no base model, or if the folder has a
/// whole model of the run; IoError if it cannot be written.
void check_adapter(const FineTuneJob& job, const TrainingFlags& flags);
void save_adapter(const FineTuneJob& job, const TrainingFlags& flags);

}  // namespace attune
