// What a run leaves in its folder when it ends: the model with its tokenizer, run.json and report.html. Those of an
// interrupted run have a folder of their own, so that they never replace those of a finished one.
#pragma once

#include <string>

#include "apps/support/fine_tune.h"
#include "apps/support/report.h"
#include "apps/support/run_file.h"
#include "apps/support/run_report.h"
#include "engine/train/trainer.h"
#include "json/value.h"
#include "models/model_folder.h"

namespace attune {

/// How a run is described in its folder.
struct Description {
  RunStart start;
  RunReport page;
  double training_seconds = 0;
};

/// config.json of the model.
json::Value config_of(const FineTuneJob& job, const TrainingFlags& flags);
Splits splits_of(const FineTuneJob& job);
/// The folder of a run that was interrupted, in --output.
std::string interrupted_folder(const TrainingFlags& flags);
/// Writes the model to a folder, which is created. Throws IoError.
void save_model_folder(const std::string& folder, const FineTuneJob& job, const TrainingFlags& flags,
                       const NamedTexts& tokenizer);
/// Writes run.json and report.html: before the final evaluation, and of an interrupted run, without measures,
/// afterwards with them. The model is saved: an error costs only these files, and a warning says so.
void write_run(const FineTuneJob& job, const TrainingFlags& flags, const Trainer& trainer, const TrainReport& report,
               const Description& description, bool finished);

}  // namespace attune
