#include "engine/data/dataset.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"

namespace attune {

std::int64_t Dataset::longest() const {
  std::size_t out = 0;
  for (const auto& example : ids) out = std::max(out, example.size());
  return static_cast<std::int64_t>(out);
}

std::int32_t parse_label(const std::string& text, std::int64_t classes, const std::vector<std::string>& label_names,
                         const std::string& where) {
  if (const auto named = std::ranges::find(label_names, text); named != label_names.end())
    return static_cast<std::int32_t>(named - label_names.begin());
  std::int32_t label = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), label);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  CHECK(is_number, where, ": the label '", text, "' is not an integer",
        label_names.empty() ? "" : " and names no class");
  CHECK(label >= 0 && label < classes, where, ": the label ", label, " is not a class; there are ", classes, " (0 .. ",
        classes - 1, ")");
  return label;
}

}  // namespace attune
