#include "base/near_word.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

#include "base/printable.h"

namespace attune {
namespace {

// Levenshtein's distance with swapped neighbours (optimal string alignment), row by row of its table.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1), above(row), above2(row);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    above2.swap(above);
    above.swap(row);
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = above[j] + (a[i] == b[j] ? 0 : 1);
      row[j + 1] = std::min(replaced, std::min(above[j + 1], row[j]) + 1);
      if (i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j]) row[j + 1] = std::min(row[j + 1], above2[j - 1] + 1);
    }
  }
  return row.back();
}

}  // namespace

const std::string* near_word(std::string_view text, std::span<const std::string> words) {
  const std::string* nearest = nullptr;
  std::size_t most = text.size() / 3;  // edits
  for (const std::string& word : words) {
    // As many bytes at least are inserted or removed as the lengths differ.
    if (std::max(text.size(), word.size()) - std::min(text.size(), word.size()) > most) continue;
    const std::size_t edits = edit_distance(text, word);
    if (edits > most) continue;
    nearest = &word;
    if (edits == 0) break;
    most = edits - 1;
  }
  return nearest;
}

std::string did_you_mean(std::string_view text, std::span<const std::string> words) {
  const std::string* const near = near_word(text, words);
  return near == nullptr ? "" : "; did you mean '" + printable(*near) + "'?";
}

}  // namespace attune
