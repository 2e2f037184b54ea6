#include "apps/support/window_flags.h"

#include <iostream>
#include <string_view>

#include "apps/support/command_line.h"
#include "apps/support/encode.h"
#include "apps/support/input_form.h"
#include "base/check.h"
#include "base/printable.h"
#include "base/whole_number.h"

namespace attune {

void WindowFlags::declare(CommandLine& app) {
  auto* flag =
      app.add_option("--windows", windows,
                     "overlap=N: a text that is longer than the context is not cut, but becomes windows of it; "
                     "each begins with the last N tokens of the one before it")
          ->group("Data");
  app.add_option("--window_pooling", pooling,
                 "--windows: the logits of a text are the mean or the max of those of its windows")
      ->check(one_of({"mean", "max"}))
      ->capture_default_str()
      ->needs(flag)
      ->group("Data");
}

std::optional<WindowForm> WindowFlags::form(bool pairs) const {
  if (windows.empty()) return std::nullopt;
  constexpr std::string_view kKey = "overlap=";
  const std::optional<std::int64_t> overlap =
      windows.starts_with(kKey) ? whole_number<std::int64_t>(std::string_view(windows).substr(kKey.size()))
                                : std::nullopt;
  if (!overlap || *overlap < 0)
    throw UsageError("--windows: the value is overlap=N with a number of tokens from 0 on, not '" + printable(windows) +
                     "'");
  if (pairs) throw UsageError("--windows: pairs of texts (--text_pair_column) cannot be cut into windows");
  return WindowForm{.overlap = *overlap, .pooling = pooling == "max" ? WindowPooling::kMax : WindowPooling::kMean};
}

void WindowFlags::check_room(const Tokenizer& tokenizer, std::int64_t max_length) const {
  const std::optional<WindowForm> asked = form(false);
  if (!asked) return;
  if (const std::int64_t room = room_for_text(tokenizer, max_length); asked->overlap >= room)
    throw UsageError(str_cat("--windows ", windows, ": the overlap must be smaller than the ", room,
                             " tokens of text that fit into a context of ", max_length));
}

void WindowFlags::warn_of_cut(const std::string& folder, const json::Value& config) const {
  if (const std::optional<WindowForm> before = read_windows(config); before && windows.empty())
    std::cerr << "warning: the model of " << folder
              << " reads long texts in windows, and this run cuts them; --windows overlap=" << before->overlap
              << " --window_pooling " << pooling_name(before->pooling) << " is what that model was trained with"
              << std::endl;
}

}  // namespace attune
