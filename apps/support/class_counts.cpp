#include "apps/support/class_counts.h"

#include <algorithm>
#include <iostream>

#include "apps/support/percent.h"
#include "apps/support/text_table.h"
#include "base/check.h"
#include "base/join.h"
#include "base/near_word.h"
#include "base/printable.h"

namespace attune {
namespace {

constexpr std::size_t kMaxLines = 20;
constexpr std::size_t kColumnWidth = 10;

// Calls visit(example, output) for every class or label of every example.
template <class Visit>
void for_each_label(const Tensor& labels, Visit visit) {
  if (labels.dtype() == DType::kInt32) {
    const auto classes = labels.values<std::int32_t>();
    for (std::size_t e = 0; e < classes.size(); ++e) visit(e, static_cast<std::size_t>(classes[e]));
    return;
  }
  const auto width = static_cast<std::size_t>(labels.shape()[1]);
  const auto flags = labels.values<float>();
  for (std::size_t i = 0; i < flags.size(); ++i)
    if (flags[i] != 0) visit(i / width, i % width);
}

std::vector<std::int64_t> counts_of(const Tensor& labels, std::size_t outputs) {
  std::vector<std::int64_t> out(outputs);
  for_each_label(labels, [&](std::size_t, std::size_t k) { ++out[k]; });
  return out;
}

// The first row of a file with a class or label, counted from 1 below the header.
std::size_t first_row(const Tensor& labels, std::size_t output) {
  std::size_t row = 0;
  for_each_label(labels, [&](std::size_t e, std::size_t k) {
    if (k == output && row == 0) row = e + 1;
  });
  return row;
}

// A class or label with a single example, as a message; empty if there is none.
std::string single_example(const Tensor& labels, const std::vector<std::string>& names,
                           const std::vector<std::int64_t>& counts) {
  const auto single = std::ranges::find(counts, 1);
  if (single == counts.end()) return "";
  const auto k = static_cast<std::size_t>(single - counts.begin());
  std::vector<std::string> others;
  for (std::size_t i = 0; i < names.size(); ++i)
    if (counts[i] > 1) others.push_back(names[i]);
  const std::string* const near = near_word(names[k], others);
  return str_cat("'", printable(names[k]), "' has a single example, row ", first_row(labels, k),
                 near == nullptr ? "" : "; the nearest other label is '" + printable(*near) + "'");
}

}  // namespace

void print_splits(const std::vector<std::string>& names, const std::vector<SplitSummary>& splits) {
  using Line = std::vector<std::string>;  // a name, and a value of each split
  TableLines lines = {{"Examples"}};
  const auto add = [&](const std::string& name, const auto& value_of) {
    Line& line = lines.emplace_back(Line{name});
    for (const SplitSummary& split : splits) line.push_back(str_cat(value_of(split)));
  };
  for (const SplitSummary& split : splits) lines[0].push_back(split.title);
  std::vector<std::vector<std::int64_t>> counts;
  for (const SplitSummary& split : splits)
    if (!names.empty()) counts.push_back(counts_of(split.labels, names.size()));
  const std::size_t shown = std::min(names.size(), kMaxLines);
  for (std::size_t k = 0; k < shown; ++k) {
    Line& line = lines.emplace_back(Line{printable(names[k])});
    for (const auto& of_split : counts) line.push_back(std::to_string(of_split[k]));
  }
  if (shown < names.size()) lines.push_back({str_cat("... and ", names.size() - shown, " more")});
  add("all", [](const SplitSummary& split) { return split.labels.shape()[0]; });
  if (std::ranges::all_of(splits, [](const SplitSummary& split) { return split.texts.lengths.has_value(); })) {
    add("median tokens", [](const SplitSummary& split) { return split.texts.lengths->median; });
    add("95 % up to", [](const SplitSummary& split) { return split.texts.lengths->percentile_95; });
    add("longest", [](const SplitSummary& split) { return split.texts.lengths->longest; });
    if (splits.front().texts.lengths->windows)
      add("windows", [](const SplitSummary& split) { return *split.texts.lengths->windows; });
    else
      add("cut", [](const SplitSummary& split) { return percent_text(split.texts.lengths->cut); });
  }
  std::cout << table_text(lines, 0, kColumnWidth) << std::flush;
}

void warn_of_texts(const std::vector<SplitSummary>& splits) {
  std::vector<std::string> empty, repeats;
  for (std::size_t i = 0; i < splits.size(); ++i) {
    const auto& [title, labels, texts] = splits[i];
    if (texts.empty > 0) empty.push_back(str_cat(texts.empty, " in ", title));
    if (const std::int64_t n = repeated(texts); n > 0) repeats.push_back(str_cat(n, " in ", title));
    for (std::size_t other = 0; other < i; ++other)
      if (const std::int64_t n = shared(texts, splits[other].texts); n > 0)
        repeats.push_back(str_cat(n, " of ", title, " also in ", splits[other].title));
  }
  if (!empty.empty()) std::cerr << "warning: empty texts: " << join(empty) << std::endl;
  if (!repeats.empty()) std::cerr << "warning: texts that occur before: " << join(repeats) << std::endl;
}

void warn_of_one_class(const Tensor& labels, const std::string& title) {
  const auto classes = labels.values<std::int32_t>();
  if (std::ranges::all_of(classes, [&](std::int32_t label) { return label == classes.front(); }))
    std::cerr << "warning: " << title << ": all have one class; is the file sorted by its labels?" << std::endl;
}

void check_training_labels(const Tensor& labels, const std::vector<std::string>& names, std::int64_t expected,
                           bool trusted, const std::string& path) {
  const std::vector<std::int64_t> counts = counts_of(labels, names.size());
  const bool classes = labels.dtype() == DType::kInt32;
  const auto last = std::find_if(counts.rbegin(), counts.rend(), [](std::int64_t count) { return count > 0; });
  const auto used = static_cast<std::size_t>(counts.rend() - last);  // 1 + the largest class in the data
  const auto empty = static_cast<std::size_t>(std::ranges::find(counts, 0) - counts.begin());
  const bool single = classes && std::ranges::count_if(counts, [](std::int64_t count) { return count > 0; }) == 1;
  if (trusted) {
    if (single) std::cerr << "warning: " << path << ": every row has the label " << used - 1 << std::endl;
    return;
  }
  constexpr const char* kAccept = "; --trust_labels accepts such labels";
  CHECK(!single, path, ": every row has the label ", used - 1, "; at least two classes are needed");
  CHECK(!classes || empty >= used || std::cmp_less_equal(used, expected), path, ": row ", first_row(labels, used - 1),
        " has the label ", used - 1, ", but no row has the label ", empty, kAccept);
  const std::string alone = single_example(labels, names, counts);
  CHECK(alone.empty(), path, ": ", alone, kAccept);
}

}  // namespace attune
