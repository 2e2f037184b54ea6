#include "apps/support/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <set>
#include <sstream>
#include <string_view>
#include <type_traits>
#include <vector>

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
FlagCheck member_of(const std::vector<std::string>& words, std::shared_ptr<const CLI::IsMember> member) {
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
    const char* const end = number.data() + number.size();
    const auto [stop, error] = std::from_chars(number.data(), end, value);
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
    : name_(name), app_(std::make_unique<CLI::App>(description, name)) {}

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

void CommandLine::refuse_empty_values(int argc, char** argv) const {
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i], name = argument.substr(0, argument.find('='));
    const CLI::Option* option = find_option(*app_, name);
    if (option == nullptr) continue;
    const bool joined = name.size() < argument.size();
    const bool empty = joined ? name.size() + 1 == argument.size() : i + 1 < argc && *argv[i + 1] == '\0';
    if (!joined && option->get_items_expected_min() > 0) ++i;  // its value, which may look like an option
    if (!empty) continue;
    const auto flag = std::ranges::find(flags_, option, &Flag::option_);
    const bool may_be_empty = flag != flags_.end() && flag->may_be_empty_;
    if (!may_be_empty) throw UsageError(name + ": the value is empty; is a variable not set?");
    if (joined) throw UsageError(str_cat(argument, ": an empty value is written ", name, " ''"));
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
std::vector<std::string> CommandLine::with_options_of_file(int argc, char** argv) const {
  std::vector<std::string> out(argv + 1, argv + argc);
  std::map<std::string, std::string> given;  // with their values
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto equals = out[i].find('=');
    const bool follows = equals == std::string::npos && i + 1 < out.size();
    given[out[i].substr(0, equals)] = equals != std::string::npos ? out[i].substr(equals + 1)
                                      : follows                   ? out[i + 1]
                                                                  : "";
  }
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
  refuse_empty_values(argc, argv);
  for (CLI::Option* option : app_->get_options())
    if (option->get_expected_max() == 1) option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  try {
    std::vector<std::string> arguments = with_options_of_file(argc, argv);
    std::ranges::reverse(arguments);  // as CLI11 takes them
    app_->parse(std::move(arguments));
  } catch (const CLI::ExtrasError& error) {
    for (const std::string& argument : app_->remaining())
      if (const std::string name = argument.substr(0, argument.find('=')); name.starts_with("--"))
        throw UsageError(str_cat("there is no option ", name, did_you_mean(name, option_names())));
    throw UsageError(error.what());
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) throw UsageError(error.what());
    app_->exit(error);  // prints the help requested
    return false;
  }
  return true;
}

CommandLine::Values CommandLine::values() const {
  Values out;
  for (const CLI::Option* option : app_->get_options()) {
    const std::vector<std::string> given = option->reduced_results();
    out.emplace_back(option->get_name(), given.empty() ? option->get_default_str() : given.back());
  }
  return out;
}

CommandLine::Values CommandLine::defaults() const {
  Values out;
  for (const CLI::Option* option : app_->get_options()) out.emplace_back(option->get_name(), option->get_default_str());
  return out;
}

}  // namespace attune
