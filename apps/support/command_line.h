// The command line of a program: its options, their checks, --help and --version.
//
// A thin interface to CLI11. That library is one large header that adds seconds to the compile time of each file, so
// only command_line.cpp includes it.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "apps/support/flag_checks.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace attune {

/// A declared option. Each call returns the option, so that calls can be chained.
class Flag {
 public:
  explicit Flag(CLI::Option* option) : option_(option) {}
  /// Its group in --help.
  Flag* group(const std::string& name);
  Flag* required();
  Flag* check(const FlagCheck& check);
  /// Shows the current value as the default in --help.
  Flag* capture_default_str();
  /// Accepts an empty value, which is otherwise a mistake: the value of a variable that is not set.
  Flag* may_be_empty();
  /// The two options exclude each other.
  Flag* excludes(const Flag* other);
  /// The option requires the other one.
  Flag* needs(const Flag* other);
  /// It has a meaning only with this value of another option: a file of options does not give it with another one.
  Flag* only_with(const std::string& option, const std::string& value);

 private:
  friend class CommandLine;
  CLI::Option* option_;
  bool may_be_empty_ = false;
  std::string with_option_, with_value_;
};

class CommandLine {
 public:
  /// `name` is the program's, for --help and errors.
  CommandLine(const std::string& description, const std::string& name);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  /// An option whose value goes to `value`: a decimal number, a string, or a vector of strings, one for each time that
  /// the option is given.
  template <class T>
  Flag* add_option(const std::string& name, T& value, const std::string& text);
  /// An option without a value. "--x,!--no-x" declares two; the second clears `value`.
  Flag* add_flag(const std::string& name, bool& value, const std::string& text);
  /// An option whose value may be omitted, which means an empty string; `value` is nullopt without the option.
  Flag* add_optional(const std::string& name, std::optional<std::string>& value, const std::string& text);
  /// An option whose value is the path of a file of options: `read` gives their names and values, which count where the
  /// command line gives none. parse() throws UsageError if an option of the file does not exist here.
  using Values = std::vector<std::pair<std::string, std::string>>;
  Flag* add_options_file(const std::string& name, std::string& value, const std::string& text,
                         const std::function<Values(const std::string& file)>& read);
  /// An option whose value names options, separated by commas: those of the file of options that do not count. parse()
  /// throws UsageError if one does not exist.
  Flag* add_left_out(const std::string& name, std::string& value, const std::string& text);
  /// The text at the end of --help.
  void footer(const std::string& text);

  const std::string& name() const { return name_; }
  /// Reads the arguments; if an option is given twice, the last one counts. False after --help or --version has printed
  /// its text. Throws UsageError, also if a value is empty.
  bool parse(int argc, char** argv);
  /// Every option but --help and --version by name, with the given value or its default. Call it after parse().
  Values values() const;
  /// The same options with their defaults.
  Values defaults() const;
  /// What parse() read, the program first.
  const std::vector<std::string>& arguments() const { return arguments_; }
  /// Arguments, the program not among them, without those of these options and their values.
  std::vector<std::string> arguments_without(std::vector<std::string> arguments,
                                             const std::set<std::string>& names) const;

 private:
  /// An option among arguments: where its own are, and its value if it has one.
  struct GivenOption {
    const CLI::Option* option;
    std::optional<std::string> value;
    std::size_t begin, end;
  };

  Flag* keep(CLI::Option* option);
  std::vector<GivenOption> given_options(const std::vector<std::string>& arguments) const;
  void refuse_empty_values(const std::vector<std::string>& arguments) const;
  std::vector<std::string> with_options_of_file(const std::vector<std::string>& arguments) const;
  std::vector<std::string> option_names() const;
  std::vector<const CLI::Option*> program_options() const;
  std::set<std::string> left_out(const std::map<std::string, std::string>& given) const;
  bool excluded(const std::string& name, const std::map<std::string, std::string>& given) const;

  std::string name_;
  std::vector<std::string> arguments_;
  std::unique_ptr<CLI::App> app_;
  std::deque<Flag> flags_;
  std::string options_file_, left_out_;  // the options that name one, and which of its options do not count
  std::function<Values(const std::string& file)> read_options_;
};

}  // namespace attune
