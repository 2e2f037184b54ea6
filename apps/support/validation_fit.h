// --calibrate and --threshold tuned: what is fitted to the predictions for the validation split after training
// (engine/train/calibration.h), what is said about it, with the record of it.
#pragma once

#include <memory>
#include <ostream>
#include <string>

#include "engine/train/task.h"
#include "json/value.h"

namespace attune {

struct FitChoice {
  bool temperature = false, thresholds = false;
  bool keeps_labels = false;  // thresholds that are not tuned move with the temperature: the same labels are predicted

  bool any() const { return temperature || thresholds; }
};

struct ValidationFit {
  std::unique_ptr<Task> task;  // with the temperature and the thresholds
  json::Value record;          // every digit, for the log, run.json and evaluate --json
};

/// Fits a task to logits [E, outputs] and labels that were read from `data`: first the temperature, then the
/// thresholds. Prints the measures before and after to `notes`, and a warning on standard error
/// where the data do not determine a value. Throws Error if there are no examples.
ValidationFit fit_to_validation(const Task& task, FitChoice choice, const std::string& data, const Tensor& logits,
                                const Tensor& labels, std::ostream& notes);

}  // namespace attune
