#include "apps/support/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <functional>
#include <memory>
#include <set>
#include <sstream>
#include <string_view>
#include <type_traits>
#include <vector>

#include "apps/support/version.h"
#include "apps/support/without_plus.h"
#include "base/check.h"
#include "base/near_word.h"

namespace attune {
namespace {

// Refuses a value that is not a finite number or that `allowed` does not accept. `rule` completes "must be ..."; `help`
// appears in the option's line of --help.
FlagCheck number_that_is(const std::string& rule, const std::string& help, const std::function<bool(double)>& allowed) {
  return FlagCheck(std::make_shared<CLI::Validator>(
      [rule, allowed](std::string& text) {
        double value = 0;
        const bool finite = CLI::detail::lexical_cast(text, value) && std::isfinite(value);
        return finite && allowed(value) ? std::string() : str_cat("must be ", rule, ", not ", text);
      },
      help));
}

// A word that is not one of the list is refused with the nearest one.
FlagCheck member_of(const std::vector<std::string>& words, const std::shared_ptr<const CLI::IsMember>& member) {
  return FlagCheck(std::make_shared<CLI::Validator>(
      [words, member](std::string& text) {
        const std::string complaint = (*member)(text);
        return complaint.empty() ? complaint : complaint + did_you_mean(text, words);
      },
      member->get_description()));
}

// Reads a number in decimal, or takes a text as it is. Throws UsageError.
template <class T>
void read_value(const std::string& flag, const std::string& text, T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    value = text;
  } else {
    const std::string_view number = without_plus(text);
    const char* const end = std::to_address(number.end());
    const auto [stop, error] = std::from_chars(std::to_address(number.begin()), end, value);
    if (error != std::errc() || stop != end)
      throw UsageError(str_cat(flag, ": '", text, "' is not ",
                               std::is_floating_point_v<T> ? "a number"
                               : std::is_signed_v<T>       ? "a whole number that fits"
                                                           : "a whole number from 0 on that fits"));
  }
}

// CLI11's own search ends the program where there is no memory: it is noexcept.
CLI::Option* find_option(CLI::App& app, const std::string& name) {
  for (CLI::Option* option : app.get_options())
    if (option->check_name(name)) return option;
  return nullptr;
}

// Whether CLI11 reads an argument as an option where a value may be omitted; a negative number is a value.
bool is_read_as_option(const std::string& argument) {
  std::string name, rest;
  if (CLI::detail::split_short(argument, name, rest)) return name[0] < '0' || name[0] > '9';
  return argument == "--" || CLI::detail::split_long(argument, name, rest);
}

}  // namespace

std::string FlagCheck::complaint(std::string value) const {
  return (*validator_)(value);
}

FlagCheck positive() {
  return number_that_is("positive", "POSITIVE", [](double value) { return value > 0; });
}

FlagCheck not_negative() {
  return number_that_is("at least 0", "NONNEGATIVE", [](double value) { return value >= 0; });
}

FlagCheck dropout_probability() {
  return number_that_is("at least 0 and below 1", "[0, 1)",
                        [](double value) { return value >= 0 && static_cast<float>(value) < 1; });
}

FlagCheck share_above_zero() {
  return number_that_is("above 0 and at most 1", "(0, 1]", [](double value) { return value > 0 && value <= 1; });
}

FlagCheck count_from(std::int64_t min, std::int64_t max) {
  return number_that_is(str_cat("from ", min, " to ", max), str_cat("[", min, " - ", max, "]"),
                        [from = static_cast<double>(min), to = static_cast<double>(max)](double value) {
                          return value >= from && value <= to;
                        });
}

FlagCheck thread_count() {
  return count_from(0, 1024);
}

FlagCheck one_of(const std::vector<std::string>& words) {
  return member_of(words, std::make_shared<CLI::IsMember>(words));
}

FlagCheck one_of_any_case(const std::vector<std::string>& words) {
  return member_of(words, std::make_shared<CLI::IsMember>(words, CLI::ignore_case));
}

Flag* Flag::group(const std::string& name) {
  option_->group(name);
  return this;
}
Flag* Flag::required() {
  option_->required();
  return this;
}
Flag* Flag::check(const FlagCheck& check) {
  option_->transform(check.validator());
  return this;
}
Flag* Flag::capture_default_str() {
  option_->capture_default_str();
  return this;
}
Flag* Flag::may_be_empty() {
  may_be_empty_ = true;
  return this;
}
Flag* Flag::excludes(const Flag* other) {
  option_->excludes(other->option_);
  return this;
}
Flag* Flag::needs(const Flag* other) {
  option_->needs(other->option_);
  return this;
}

Flag* Flag::only_with(const std::string& option, const std::string& value) {
  with_option_ = option;
  with_value_ = value;
  return this;
}

CommandLine::CommandLine(const std::string& description, const std::string& name)
    : name_(name), app_(std::make_unique<CLI::App>(description, name)) {
  const std::string commit = built_commit();
  app_->set_version_flag("--version",
                         str_cat(name, " of attune ", built_version(), commit.empty() ? "" : ", commit ", commit),
                         "Prints the version, and the commit that was built, and exits");
}

CommandLine::~CommandLine() = default;

Flag* CommandLine::keep(CLI::Option* option) {
  return &flags_.emplace_back(option);
}

// CLI11 gives values as text. Its own conversions read 010 as eight and "[a, b]" as two values.
template <class T>
Flag* CommandLine::add_option(const std::string& name, T& value, const std::string& text) {
  constexpr bool kList = std::is_same_v<T, std::vector<std::string>>;
  const auto take = [name, &value](const CLI::results_t& given) {
    if constexpr (kList)
      value = given;
    else
      read_value(name, given.back(), value);
    return true;
  };
  const auto show = [&] {
    if constexpr (kList)
      return std::string();
    else
      return CLI::detail::to_string(value);
  };
  CLI::Option* option = app_->add_option(name, take, text, false, show);
  option->type_name(CLI::detail::type_name<T>());
  if constexpr (kList) option->expected(1, CLI::detail::expected_max_vector_size);
  return keep(option->allow_extra_args(false));
}
template Flag* CommandLine::add_option(const std::string&, std::string&, const std::string&);
template Flag* CommandLine::add_option(const std::string&, std::vector<std::string>&, const std::string&);
template Flag* CommandLine::add_option(const std::string&, int&, const std::string&);
template Flag* CommandLine::add_option(const std::string&, std::int64_t&, const std::string&);
template Flag* CommandLine::add_option(const std::string&, std::uint64_t&, const std::string&);
template Flag* CommandLine::add_option(const std::string&, double&, const std::string&);

Flag* CommandLine::add_flag(const std::string& name, bool& value, const std::string& text) {
  return keep(app_->add_flag(name, value, text));
}

Flag* CommandLine::add_optional(const std::string& name, std::optional<std::string>& value, const std::string& text) {
  const auto take = [&value](const CLI::results_t& given) {
    value = given.empty() ? "" : given.front();
    return true;
  };
  return keep(app_->add_option(name, take, text)->expected(0, 1)->type_name("[PATH]"));
}

Flag* CommandLine::add_options_file(const std::string& name, std::string& value, const std::string& text,
                                    const std::function<Values(const std::string& file)>& read) {
  options_file_ = name;
  read_options_ = read;
  return add_option(name, value, text);
}

Flag* CommandLine::add_left_out(const std::string& name, std::string& value, const std::string& text) {
  left_out_ = name;
  return add_option(name, value, text);
}

void CommandLine::footer(const std::string& text) {
  app_->footer(text);
}

// As CLI11 2.1 reads them (App::_recognize): a value that an option must have may look like an option.
std::vector<CommandLine::GivenOption> CommandLine::given_options(const std::vector<std::string>& arguments) const {
  std::vector<GivenOption> out;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::size_t begin = i, equals = arguments[i].find('=');
    const CLI::Option* option = find_option(*app_, arguments[i].substr(0, equals));
    if (option == nullptr) continue;
    const auto takes_next = [&] {
      if (i + 1 == arguments.size() || option->get_items_expected_max() == 0) return false;
      return option->get_items_expected_min() > 0 || !is_read_as_option(arguments[i + 1]);
    };
    std::optional<std::string> value;
    if (equals != std::string::npos)
      value = arguments[i].substr(equals + 1);
    else if (takes_next())
      value = arguments[++i];
    out.push_back({option, std::move(value), begin, i + 1});
  }
  return out;
}

std::vector<std::string> CommandLine::arguments_without(std::vector<std::string> arguments,
                                                        const std::set<std::string>& names) const {
  const std::vector<GivenOption> given = given_options(arguments);
  for (auto last = given.rbegin(); last != given.rend(); ++last)
    if (names.contains(last->option->get_name()))
      arguments.erase(arguments.begin() + static_cast<std::ptrdiff_t>(last->begin),
                      arguments.begin() + static_cast<std::ptrdiff_t>(last->end));
  return arguments;
}

void CommandLine::refuse_empty_values(const std::vector<std::string>& arguments) const {
  for (const GivenOption& given : given_options(arguments)) {
    if (given.value != "") continue;
    const std::string name = given.option->get_name();
    const auto flag = std::ranges::find(flags_, given.option, &Flag::option_);
    const bool may_be_empty = flag != flags_.end() && flag->may_be_empty_;
    if (!may_be_empty) throw UsageError(name + ": the value is empty; is a variable not set?");
    if (given.end == given.begin + 1) throw UsageError(str_cat(name, "=: an empty value is written ", name, " ''"));
  }
}

std::vector<std::string> CommandLine::option_names() const {
  std::vector<std::string> out;
  for (const CLI::Option* option : app_->get_options()) out.push_back(option->get_name());
  return out;
}

// The options that --without, as it is given, leaves out. Throws UsageError if one of them is unknown.
std::set<std::string> CommandLine::left_out(const std::map<std::string, std::string>& given) const {
  std::set<std::string> out;
  const auto list = given.find(left_out_);
  if (left_out_.empty() || list == given.end()) return out;
  std::istringstream names(list->second);
  for (std::string name; std::getline(names, name, ',');) {
    if (!name.starts_with("--")) name.insert(0, "--");
    if (find_option(*app_, name) == nullptr)
      throw UsageError(str_cat(left_out_, ": there is no option ", name, did_you_mean(name, option_names())));
    out.insert(name);
  }
  return out;
}

// Whether an option of the given ones excludes this one.
bool CommandLine::excluded(const std::string& name, const std::map<std::string, std::string>& given) const {
  const std::set<CLI::Option*> others = find_option(*app_, name)->get_excludes();
  return std::ranges::any_of(others, [&](const CLI::Option* other) { return given.contains(other->get_name()); });
}

// The arguments, with those of the file of options that they do not have.
std::vector<std::string> CommandLine::with_options_of_file(const std::vector<std::string>& arguments) const {
  std::vector<std::string> out = arguments;
  std::map<std::string, std::string> given;  // with their values
  for (const GivenOption& option : given_options(arguments))
    given[option.option->get_name()] = option.value.value_or("");
  const auto file = given.find(options_file_);
  if (options_file_.empty() || file == given.end() || file->second.empty()) return out;
  const std::set<std::string> without = left_out(given);
  std::map<std::string, std::string> values = given;
  Values of_file = read_options_(file->second);
  for (const auto& [name, value] : of_file) {
    if (find_option(*app_, name) == nullptr)
      throw UsageError(str_cat(file->second, ": ", name_, " has no option ", name, did_you_mean(name, option_names())));
    if (without.contains(name)) continue;
    values.try_emplace(name, value);
  }
  std::map<std::string, std::string> taken;
  for (const auto& [name, value] : of_file) {
    const CLI::Option* option = find_option(*app_, name);
    if (given.contains(name) || without.contains(name) || value.empty() || value == option->get_default_str() ||
        excluded(name, given))
      continue;
    const auto flag = std::ranges::find(flags_, option, &Flag::option_);
    if (flag != flags_.end() && !flag->with_option_.empty() && values[flag->with_option_] != flag->with_value_)
      continue;
    taken[name] = value;
  }
  const auto there = [&](const CLI::Option* needed) {
    return taken.contains(needed->get_name()) || given.contains(needed->get_name());
  };
  for (const auto& [name, value] : taken) {
    const CLI::Option* option = find_option(*app_, name);
    if (!std::ranges::all_of(option->get_needs(), there)) continue;
    if (option->get_expected_max() > 0)
      out.push_back(name + "=" + value);
    else if (value == "true")
      out.push_back(name);
  }
  return out;
}

bool CommandLine::parse(int argc, char** argv) {
  arguments_.assign(argv, argv + argc);
  const std::vector<std::string> given(argv + 1, argv + argc);
  refuse_empty_values(given);
  for (CLI::Option* option : app_->get_options())
    if (option->get_expected_max() == 1) option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  try {
    std::vector<std::string> arguments = with_options_of_file(given);
    std::ranges::reverse(arguments);  // as CLI11 takes them
    app_->parse(std::move(arguments));
  } catch (const CLI::ExtrasError& error) {
    for (const std::string& argument : app_->remaining())
      if (const std::string name = argument.substr(0, argument.find('=')); name.starts_with("--"))
        throw UsageError(str_cat("there is no option ", name, did_you_mean(name, option_names())));
    if (app_->remaining().front().empty()) throw UsageError("an argument is empty; is a variable not set?");
    throw UsageError(error.what());
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) throw UsageError(error.what());
    app_->exit(error);  // prints the help requested
    return false;
  }
  return true;
}

std::vector<const CLI::Option*> CommandLine::program_options() const {
  std::vector<const CLI::Option*> out;
  for (const CLI::Option* option : app_->get_options())
    if (option != app_->get_help_ptr() && option != app_->get_version_ptr()) out.push_back(option);
  return out;
}

CommandLine::Values CommandLine::values() const {
  Values out;
  for (const CLI::Option* option : program_options()) {
    const std::vector<std::string> given = option->reduced_results();
    out.emplace_back(option->get_name(), given.empty() ? option->get_default_str() : given.back());
  }
  return out;
}

CommandLine::Values CommandLine::defaults() const {
  Values out;
  for (const CLI::Option* option : program_options()) out.emplace_back(option->get_name(), option->get_default_str());
  return out;
}

}  // namespace attune
