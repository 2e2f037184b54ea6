// --seeds: runs that differ in nothing but their seed, one after the other, and how much their measures vary.
//
// Each run is the ordinary run of a command line of its own: that of the program with --seed N, and with a place of its
// own for whatever it writes (OUTPUT/seed-N, LOG-seed-N.jsonl, ...). So each can be resumed and repeated alone. The
// rows of --split stay those of the command's --seed, because --split_seed is added. OUTPUT/seeds.json has the measures
// of the runs that are finished; --resume makes only the others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "apps/support/run_hooks.h"
#include "apps/support/training_flags.h"
#include "json/value.h"

namespace attune {

/// The seeds of a list as "1..5" or "1,2,7..9", in its order. Throws UsageError if it is no such list, a seed occurs
/// twice, or there are more than 1,000.
std::vector<std::uint64_t> seed_list(const std::string& text);

/// The spread of some values: their mean, the standard deviation of a sample (n - 1; NaN of one value), the smallest
/// and the largest. All are NaN if a value is.
struct Spread {
  double mean, deviation, min, max;
};
Spread spread_of(const std::vector<double>& values);

/// A measure that is printed of every run.
struct SeedMeasure {
  std::string name, title;
  bool percent;
};
/// The contents of seeds.json.
struct SeedRecord {
  std::size_t seeds = 0;  // how many the command had
  // data: digests of the splits and, but for older files, of the model's config.
  std::vector<std::pair<std::string, std::string>> options, data;
  std::vector<SeedMeasure> measures;
  std::vector<std::pair<std::uint64_t, json::Value>> runs;  // by seed: the measures of the splits
};
/// Reads it. Throws IoError, and Error if another program or version wrote it, or naming what is missing, of another
/// kind, or a seed that occurs twice.
SeedRecord read_seed_record(const std::string& path, const std::string& program);

/// Runs a command line whose options are like those of the program; returns its exit code.
using OneRun = std::function<int(const std::vector<std::string>& arguments, const RunHooks& hooks)>;

/// Makes the runs of --seeds and prints the table. `arguments` are those of the program. Returns the exit code.
int train_seeds(const TrainingFlags& flags, const std::vector<std::string>& arguments, const OneRun& run);

}  // namespace attune
