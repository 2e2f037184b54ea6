// The main() of every program: it parses, runs, and turns every error into one line and an exit code.
#pragma once

#include <functional>
#include <iostream>

#include "apps/support/command_line.h"
#include "apps/support/interrupt.h"
#include "base/check.h"

namespace attune {

/// Parses the command line into the declared options, then runs `body`. Returns its value; 0 after --help; 2 after a
/// mistake on the command line; 130 after Interrupted; 1 after any other error, results that could not be printed among
/// them. Errors are one line: "<program>: error: <what>".
int run_program(CommandLine& app, int argc, char** argv, const std::function<int()>& body);

}  // namespace attune
