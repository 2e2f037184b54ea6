#include "base/nearest_word.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

#include "base/check.h"

namespace attune {
namespace {

// Levenshtein's distance, row by row of its table.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = i;
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min(replaced, std::min(row[j], diagonal) + 1);
    }
  }
  return row.back();
}

}  // namespace

const std::string& nearest_word(std::string_view text, std::span<const std::string> words) {
  DCHECK(!words.empty());
  const std::string* nearest = nullptr;
  std::size_t fewest = 0;
  for (const std::string& word : words) {
    // As many bytes at least are inserted or removed as the lengths differ.
    const std::size_t at_least = std::max(text.size(), word.size()) - std::min(text.size(), word.size());
    if (nearest != nullptr && at_least >= fewest) continue;
    const std::size_t edits = edit_distance(text, word);
    if (nearest != nullptr && edits >= fewest) continue;
    nearest = &word;
    fewest = edits;
  }
  return *nearest;
}

std::string did_you_mean(std::string_view text, std::span<const std::string> words) {
  if (words.empty()) return "";
  const std::string& nearest = nearest_word(text, words);
  return 3 * edit_distance(text, nearest) <= text.size() ? "; did you mean " + nearest + "?" : "";
}

}  // namespace attune
