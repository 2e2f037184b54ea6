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
  return *std::ranges::min_element(words, {}, [&](const std::string& word) { return edit_distance(text, word); });
}

std::string did_you_mean(std::string_view text, std::span<const std::string> words) {
  if (words.empty()) return "";
  const std::string& nearest = nearest_word(text, words);
  return 3 * edit_distance(text, nearest) <= text.size() ? "; did you mean " + nearest + "?" : "";
}

}  // namespace attune
