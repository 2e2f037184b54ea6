#include "apps/support/class_counts.h"

#include <algorithm>
#include <iomanip>
#include <iostream>
#include <sstream>

#include "base/check.h"
#include "base/nearest_word.h"
#include "base/printable.h"

namespace attune {
namespace {

constexpr std::size_t kMaxLines = 20;

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
  return str_cat(
      "'", printable(names[k]), "' has a single example, row ", first_row(labels, k),
      others.empty() ? "" : "; the nearest other label is '" + printable(nearest_word(names[k], others)) + "'");
}

}  // namespace

void print_class_counts(const std::vector<std::string>& names, const std::vector<SplitLabels>& splits) {
  std::vector<std::vector<std::int64_t>> counts;
  for (const SplitLabels& split : splits) counts.push_back(counts_of(split.labels, names.size()));
  const std::size_t lines = std::min(names.size(), kMaxLines);
  std::size_t width = std::string("Examples").size();
  for (std::size_t k = 0; k < lines; ++k) width = std::max(width, printable(names[k]).size());
  const auto pad = [&](const std::string& text) { return text + std::string(width - text.size(), ' '); };
  std::ostringstream out;
  out.exceptions(std::ios::badbit);  // as in str_cat
  out << pad("Examples");
  for (const SplitLabels& split : splits) out << std::setw(12) << split.title;
  out << "\n";
  for (std::size_t k = 0; k < lines; ++k) {
    out << pad(printable(names[k]));
    for (const auto& of_split : counts) out << std::setw(12) << of_split[k];
    out << "\n";
  }
  if (lines < names.size()) out << "... and " << names.size() - lines << " more\n";
  std::cout << out.str() << std::flush;
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
