// The main() of train_gpt and train_bert: one run, or one for each of --seeds.
#pragma once

#include <string>
#include <vector>

#include "apps/support/main.h"
#include "apps/support/processes.h"
#include "apps/support/seed_runs.h"

namespace attune {

/// Calls `train` with the flags of the command line, or once for each of its seeds.
template <class Flags>
int run_training(const Program& program, int argc, char** argv, int (*train)(const Flags&)) {
  const auto body = [&](CommandLine& app) {
    Flags flags;
    flags.declare(app);
    if (!app.parse(argc, argv)) return 0;
    const auto end_before_first_step = [] {
      end_at_interrupts("the run ends before its first step; no model is saved");
    };
    end_before_first_step();
    const auto one = [&](std::vector<std::string> arguments, const RunHooks& hooks) {
      end_before_first_step();
      if (processes().any(interrupted())) return kInterruptedExit;  // by a signal of the run before
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
    const bool several = !flags.common.seeds.empty() && !flags.published.list;
    const int code = several ? train_seeds(flags.common, {argv + 1, argv + argc}, one) : train(flags);
    leave_processes();
    return code;
  };
  // Not a copy, which would need memory before run_program can report that there is none.
  return run_program(program, std::cref(body));
}

}  // namespace attune
