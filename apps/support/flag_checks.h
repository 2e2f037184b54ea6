// What a number on the command line may be, told in one short line: "--num_epochs: must be from 1 to 2147483647, not 0".
//
// CLI11's own ranges let NaN through and print bounds of 300 digits. Every check here refuses what is no finite number.
#pragma once

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>

#include "base/check.h"

namespace attune {

/// Refuses a value that is no finite number or that `allowed` says no to. `rule` completes "must be ..."; `help` stands
/// in the option's line of --help.
inline CLI::Validator number_that_is(const std::string& rule, const std::string& help,
                                     const std::function<bool(double)>& allowed) {
  return CLI::Validator(
      [rule, allowed](std::string& text) {
        double value = 0;
        const bool finite = CLI::detail::lexical_cast(text, value) && std::isfinite(value);
        return finite && allowed(value) ? std::string() : str_cat("must be ", rule, ", not ", text);
      },
      help);
}

/// A real number above 0.
inline CLI::Validator positive() {
  return number_that_is("positive", "POSITIVE", [](double value) { return value > 0; });
}
/// A real number from 0 on.
inline CLI::Validator not_negative() {
  return number_that_is("at least 0", "NONNEGATIVE", [](double value) { return value >= 0; });
}
/// A probability in [0, 1) that is below 1 in float32 too.
inline CLI::Validator dropout_probability() {
  return number_that_is("at least 0 and below 1", "[0, 1)",
                        [](double value) { return value >= 0 && static_cast<float>(value) < 1; });
}
/// A number of things. The default bound keeps products of two such numbers within an int64.
inline CLI::Validator count_from(std::int64_t least, std::int64_t most = 2147483647) {
  return number_that_is(str_cat("from ", least, " to ", most), str_cat("[", least, " - ", most, "]"),
                        [from = static_cast<double>(least), to = static_cast<double>(most)](double value) {
                          return value >= from && value <= to;
                        });
}
/// --threads; 0 stands for all cores.
inline CLI::Validator thread_count() {
  return count_from(0, 1024);
}

}  // namespace attune
