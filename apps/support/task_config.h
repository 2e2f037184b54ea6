// The task of a model in its config.json: problem_type, as in the Hugging Face libraries, thresholds as
// attune_thresholds, and the temperature as attune_temperature.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/train/task.h"
#include "json/value.h"

namespace attune {

/// The keys of a task that nothing was fitted to yet.
json::Value task_json(const Task& task);

/// problem_type; empty if the file does not say. Throws Error with the file's name if attune has no such task.
std::string problem_type_of(const json::Value& config);

/// The keys of what was fitted to validation data.
json::Value fitted_json(const Task& task);

/// The temperature; 1 if the model was not calibrated.
double temperature_of(const json::Value& config);

/// The thresholds of a model whose outputs have exactly these names, for probabilities at a temperature: they predict
/// the same labels at each. Empty if it has none or other outputs.
std::vector<double> kept_thresholds(const json::Value& config, const std::vector<std::string>& output_names,
                                    double temperature);

/// Whether the folder of this config.json was saved by attune with a head for these outputs and this kind of problem.
/// Prints one line that says whether its head is kept, and why not.
bool keeps_head(const std::string& folder, const json::Value& config, std::string_view problem_type,
                const std::vector<std::string>& output_names, bool fresh_head);

/// The task of a model with these outputs, to predict with. Without problem_type, one output is a number and several
/// are classes, as in the Hugging Face libraries. Without `calibrated` its probabilities are those before calibration.
std::unique_ptr<Task> read_task(const json::Value& config, const std::vector<std::string>& output_names,
                                bool calibrated);

}  // namespace attune
