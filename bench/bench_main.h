// The main() of a benchmark: its command line, and its errors as one line.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <iostream>

#include "base/check.h"

namespace attune {

/// The exit code: 2 after a mistake on the command line, 1 after another error. The app has the program's name.
inline int bench_main(CLI::App& app, int argc, char** argv, const std::function<void()>& work) {
  CLI11_PARSE(app, argc, argv);
  try {
    work();
    std::cout.flush();
    CHECK(std::cout && std::fflush(stdout) == 0 && std::ferror(stdout) == 0, "standard output cannot be written");
  } catch (const Error& error) {
    std::cerr << app.get_name() << ": error: " << error.what() << "\n";
    return dynamic_cast<const UsageError*>(&error) != nullptr ? 2 : 1;
  }
  return 0;
}

}  // namespace attune
