#include "engine/train/not_finite.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace attune {
namespace {

// The kind and the name; empty if nothing was found.
std::string written(const std::optional<NotFinite>& found) {
  return found ? static_cast<char>('0' + static_cast<int>(found->kind)) + found->name : "";
}

std::optional<NotFinite> read_found(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return NotFinite{static_cast<NotFinite::Kind>(text[0] - '0'), text.substr(1)};
}

// One line each: the tensor, and the step, empty if there is none; then the message.
std::string written(const NotFiniteError& error) {
  return str_cat(written(error.tensor()), '\n', error.step() ? std::to_string(*error.step()) : "", '\n', error.what());
}

NotFiniteError read_error(const std::string& text) {
  const std::size_t first = text.find('\n'), second = text.find('\n', first + 1);
  const std::string step = text.substr(first + 1, second - first - 1);
  return {text.substr(second + 1), step.empty() ? std::nullopt : std::optional<std::int64_t>(std::stoll(step)),
          read_found(text.substr(0, first))};
}

// The text of the lowest rank that has one; empty if none has.
std::string first_text(Communicator& processes, const std::string& own) {
  const std::vector<std::string> all = processes.gather(own);
  const auto first = std::ranges::find_if(all, [](const std::string& text) { return !text.empty(); });
  return first == all.end() ? "" : *first;
}

}  // namespace

std::optional<NotFinite> found_on_any(Communicator& processes, const std::optional<NotFinite>& own) {
  return read_found(first_text(processes, written(own)));
}

void check_on_all(Communicator& processes, const std::function<void()>& work) {
  if (processes.alone()) return work();
  std::string own;
  try {
    work();
  } catch (const NotFiniteError& error) {
    own = written(error);
  }
  if (const std::string first = first_text(processes, own); !first.empty()) throw read_error(first);
}

}  // namespace attune
