// The main() of every program: it parses, runs, and turns every error into one line and an exit code.
#pragma once

#include <functional>
#include <iostream>

#include "apps/support/command_line.h"
#include "apps/support/interrupt.h"
#include "base/check.h"

namespace attune {

/// A program as its errors and its --help present it.
struct Program {
  const char* name;
  const char* description;  // the first line of --help
};

/// Calls `body`, which declares the options, parses the command line and does the work, even what allocates the first
/// memory. Returns its value; 2 after a mistake on the command line; 130 after Interrupted; 1 after any other error,
/// results that could not be printed among them. Errors are one line: "<program>: error: <what>".
int run_program(const Program& program, const std::function<int(CommandLine& app)>& body);

}  // namespace attune
