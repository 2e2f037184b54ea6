// The command line of a program: its options, what they may be, and --help.
//
// A thin front of CLI11. That library is one header that costs seconds of every file that includes it, so that only
// command_line.cpp does.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/support/flag_checks.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace attune {

/// An option that was declared. Each call returns the option, for the next one.
class Flag {
 public:
  explicit Flag(CLI::Option* option) : option_(option) {}
  /// Where it stands in --help.
  Flag* group(const std::string& name);
  Flag* required();
  Flag* check(const FlagCheck& check);
  /// Shows the value held now as the default in --help.
  Flag* capture_default_str();
  /// Whether one occurrence may be followed by several values.
  Flag* allow_extra_args(bool allowed);
  /// Neither may be given with the other.
  Flag* excludes(const Flag* other);
  /// May only be given with the other.
  Flag* needs(const Flag* other);

 private:
  CLI::Option* option_;
};

class CommandLine {
 public:
  /// `name` is the program's, for --help and errors.
  CommandLine(const std::string& description, const std::string& name);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  /// An option whose value goes to `value`: a number, a string, or a vector of strings.
  template <class T>
  Flag* add_option(const std::string& name, T& value, const std::string& text);
  /// An option without a value. "--x,!--no-x" declares two; the second clears `value`.
  Flag* add_flag(const std::string& name, bool& value, const std::string& text);
  /// An option whose value may be left out, which stands for an empty one; `value` is empty if it is not given.
  Flag* add_optional(const std::string& name, std::optional<std::string>& value, const std::string& text);
  /// What stands at the end of --help.
  void footer(const std::string& text);

  const std::string& name() const { return name_; }
  /// Reads the arguments; of an option given twice the later one holds. False after --help was printed. Throws
  /// UsageError.
  bool parse(int argc, char** argv);
  /// Every option by name with the value given, or else its default. After parse().
  std::vector<std::pair<std::string, std::string>> values() const;

 private:
  Flag* keep(CLI::Option* option);

  std::string name_;
  std::unique_ptr<CLI::App> app_;
  std::deque<Flag> flags_;
};

}  // namespace attune
