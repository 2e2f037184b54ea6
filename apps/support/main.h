// What every program's main() does: parse, run, and turn whatever went wrong into one line and an exit code.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <new>
#include <string>

#include "apps/support/interrupt.h"
#include "base/check.h"
#include "base/printable.h"

namespace attune {

/// Sends off what was printed. Throws IoError where any of it was lost.
inline void flush_results() {
  std::cout.flush();
  if (!std::cout || std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
    throw IoError("standard output", "cannot be written");
}

/// Parses the command line into what `app` was told of, then runs `body`. Returns its value; 0 after --help; 2 after a
/// mistake on the command line; 130 after Interrupted; 1 after any other error, results that could not be printed among
/// them. Errors are one line: "<program>: error: <what>".
inline int run_program(CLI::App& app, int argc, char** argv, const std::function<int()>& body) {
  const auto complain = [&](const char* what) {
    std::cerr << app.get_name() << ": error: " << one_line(what) << std::endl;
  };
  for (CLI::Option* option : app.get_options())  // an option given twice: the later one holds
    if (option->get_expected_max() == 1) option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  const auto parse_and_run = [&] {
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
      throw;
    }
    return body();
  };
  try {
    const int code = parse_and_run();
    flush_results();
    return code;
  } catch (const CLI::ParseError& error) {
    complain(error.what());
    return 2;
  } catch (const UsageError& error) {
    complain(error.what());
    return 2;
  } catch (const Interrupted& error) {
    complain(error.what());
    return kInterruptedExit;
  } catch (const std::bad_alloc&) {
    complain("out of memory");
  } catch (const std::exception& error) {
    complain(error.what());
  }
  return 1;
}

}  // namespace attune
