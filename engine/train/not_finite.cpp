#include "engine/train/not_finite.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace attune {
namespace {

// One line each: the kind and name of the tensor, and the step, empty if there is none; then the message.
std::string written(const NotFiniteError& error) {
  std::string out;
  if (error.tensor()) out = static_cast<char>('0' + static_cast<int>(error.tensor()->kind)) + error.tensor()->name;
  out += '\n';
  if (error.step()) out += std::to_string(*error.step());
  return str_cat(out, '\n', error.what());
}

NotFiniteError read_error(const std::string& text) {
  const std::size_t first = text.find('\n'), second = text.find('\n', first + 1);
  const std::string tensor = text.substr(0, first), step = text.substr(first + 1, second - first - 1);
  std::optional<NotFinite> found;
  if (!tensor.empty()) found = NotFinite{static_cast<NotFinite::Kind>(tensor[0] - '0'), tensor.substr(1)};
  return {text.substr(second + 1), step.empty() ? std::nullopt : std::optional<std::int64_t>(std::stoll(step)), found};
}

}  // namespace

void check_on_all(Communicator& processes, const std::function<void()>& work) {
  if (processes.alone()) return work();
  std::string own;
  try {
    work();
  } catch (const NotFiniteError& error) {
    own = written(error);
  }
  const std::vector<std::string> all = processes.gather(own);
  const auto first = std::ranges::find_if(all, [](const std::string& text) { return !text.empty(); });
  if (first != all.end()) throw read_error(*first);
}

}  // namespace attune
