// The end of a training run: the whole splits are evaluated, and what --calibrate and --threshold tuned ask for is
// fitted to the validation split.
#pragma once

#include "apps/support/fine_tune.h"
#include "apps/support/report.h"
#include "apps/support/run_report.h"

namespace attune {

/// Prints the reference's closing lines, unless --no_final_evaluation was given, and stores what was fitted in the
/// config.json of the model that was just saved; the lines are those of the fitted model. False if Ctrl-C came
/// meanwhile; then nothing is fitted. A saved model whose outputs turn out not to be finite is removed; then it throws
/// NotFiniteError. `page` gets what the lines show.
bool evaluate_finished_run(Trainer& trainer, const FineTuneJob& job, const TrainingFlags& flags, TrainReport& report,
                           RunReport& page);

}  // namespace attune
