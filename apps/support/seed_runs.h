// --seeds: runs that differ in nothing but their seed, one after the other, and how much their measures vary.
//
// Each run is the ordinary run of a command line of its own: that of the program with --seed N, and with a place of its
// own for whatever it writes (OUTPUT/seed-N, LOG-seed-N.jsonl, ...). So each can be resumed and repeated alone. The
// rows of --split stay those of the command's --seed, because --split_seed is added. OUTPUT/seeds.json has the measures
// of the runs that are finished; --resume makes only the others.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "apps/support/main.h"
#include "apps/support/processes.h"
#include "apps/support/run_hooks.h"
#include "apps/support/training_flags.h"

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

/// Runs a command line whose options are like those of the program; returns its exit code.
using OneRun = std::function<int(const std::vector<std::string>& arguments, const RunHooks& hooks)>;

/// Makes the runs of --seeds and prints the table. `arguments` are those of the program. Returns the exit code.
int train_seeds(const TrainingFlags& flags, const std::vector<std::string>& arguments, const OneRun& run);

/// The main() of a training program: calls `train` with the flags of the command line, or once for each of its seeds.
template <class Flags>
int run_training(const Program& program, int argc, char** argv, int (*train)(const Flags&)) {
  const auto body = [&](CommandLine& app) {
    Flags flags;
    flags.declare(app);
    if (!app.parse(argc, argv)) return 0;
    if (flags.common.seeds.empty() || flags.published.list) {
      const int code = train(flags);
      leave_processes();
      return code;
    }
    const auto one = [&](std::vector<std::string> arguments, const RunHooks& hooks) {
      arguments.insert(arguments.begin(), program.name);
      std::vector<char*> pointers;
      for (std::string& argument : arguments) pointers.push_back(argument.data());
      CommandLine of_one(program.description, program.name);
      Flags flags_of_one;
      flags_of_one.declare(of_one);
      of_one.parse(static_cast<int>(pointers.size()), pointers.data());
      flags_of_one.common.hooks = &hooks;
      return train(flags_of_one);
    };
    return train_seeds(flags.common, {argv + 1, argv + argc}, one);
  };
  // Not a copy, which would need memory before run_program can report that there is none.
  return run_program(program, std::cref(body));
}

}  // namespace attune
