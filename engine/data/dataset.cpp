#include "engine/data/dataset.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "base/math.h"

namespace attune {

std::int64_t Dataset::longest() const {
  std::size_t out = 0;
  for (const auto& example : ids) out = std::max(out, example.size());
  return static_cast<std::int64_t>(out);
}

Batch Collator::operator()(const Dataset& dataset, std::span<const std::int32_t> rows) const {
  Batch batch;
  std::size_t longest = 1;
  for (std::int32_t row : rows) {
    const auto& ids = dataset.ids[static_cast<std::size_t>(row)];
    const std::size_t kept = max_length > 0 ? std::min(ids.size(), static_cast<std::size_t>(max_length)) : ids.size();
    longest = std::max(longest, kept);
    batch.lengths.push_back(narrow<std::int32_t>(static_cast<std::int64_t>(kept)));
    if (!dataset.labels.empty()) batch.labels.push_back(dataset.labels[static_cast<std::size_t>(row)]);
  }
  const std::size_t width = max_length > 0 ? static_cast<std::size_t>(max_length) : longest;
  if (!packed) batch.padded_length = static_cast<std::int64_t>(width);
  for (std::size_t b = 0; b < rows.size(); ++b) {
    const auto& ids = dataset.ids[static_cast<std::size_t>(rows[b])];
    const auto kept = static_cast<std::size_t>(batch.lengths[b]);
    batch.ids.insert(batch.ids.end(), ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(kept));
    if (packed && kept == 0) {
      batch.ids.push_back(pad_id);
      batch.lengths[b] = 1;
    }
    if (!packed) batch.ids.insert(batch.ids.end(), width - kept, pad_id);
  }
  return batch;
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
