// run.json in the output folder of a run: every option, the data, the machine, the measures and times. --options reads
// it, so that a run can be repeated.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "engine/data/dataset.h"
#include "json/value.h"

namespace attune {

class CommandLine;

/// Options by name, with their values.
using OptionValues = std::vector<std::pair<std::string, std::string>>;

/// The splits of a run, by name.
using Splits = std::vector<std::pair<std::string, const Dataset*>>;

/// When the training of this process began (`seconds` in the file are those since then), and the SHA-256 of the model's
/// weights before it.
struct RunStart {
  std::chrono::system_clock::time_point time;
  std::string weights;
};

/// What a run was.
struct RunSummary {
  const CommandLine& command_line;
  OptionValues taken;  // options that are not given, and their values as the model's folder has them
  Splits splits;
  RunStart start;
  std::int64_t parameters, trained_parameters, steps;
  std::string device;       // "cpu", or the name of the GPU
  double training_seconds;  // also of the processes that this one continues
  json::Value measures;     // of each split that was evaluated, by name
  json::Value fitted;       // to the validation split (apps/support/validation_fit.h); empty if nothing was
};

/// Prints a warning for each option that run.json leaves out, because its value is not UTF-8.
void warn_of_left_out(const CommandLine& command_line);

/// Every option with the value that the run used.
OptionValues used_options(const RunSummary& run);

/// The contents of run.json. Values of options that are not UTF-8 are left out.
json::Value run_json(const RunSummary& run);

/// Writes FOLDER/run.json. Throws IoError.
void write_run_file(const std::string& folder, const RunSummary& run);

/// The options of a run.json, for CommandLine::add_options_file: all but those that say what to write, and where.
/// Relative paths begin in the folder where that run was started. Throws Error naming the file if it is no run.json of this program.
OptionValues options_of_run(const std::string& file, const std::string& program);

/// Prints a warning for each split whose examples are not those of the run.json, and for other starting weights.
void warn_of_other_run(const std::string& file, const Splits& splits, const RunStart& start);

}  // namespace attune
