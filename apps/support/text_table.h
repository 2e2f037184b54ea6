// A table as lines of text.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"

namespace attune {

/// Lines of cells. A line may have fewer than the first one.
using TableLines = std::vector<std::vector<std::string>>;

/// Code points of a text.
inline std::size_t columns_of(std::string_view text) {
  return text.size() - static_cast<std::size_t>(std::ranges::count_if(text, utf8::is_continuation));
}

/// The first column is flush left, the others are flush right, except the last `left` ones. Columns are as wide as their
/// cells; those after the first have at least `min_width`. A line of one cell has no part in this.
inline std::string table_text(const TableLines& lines, std::size_t left = 0, std::size_t min_width = 0) {
  std::vector<std::size_t> widths(lines.front().size(), min_width);
  widths[0] = 0;
  for (const auto& line : lines)
    for (std::size_t i = 0; i < line.size() && line.size() > 1; ++i)
      widths[i] = std::max(widths[i], columns_of(line[i]));
  std::string out;
  for (const auto& line : lines) {
    std::string text;
    for (std::size_t i = 0; i < line.size(); ++i) {
      const std::string space(widths[i] - std::min(widths[i], columns_of(line[i])), ' ');
      const bool flush_left = i == 0 || i + left >= line.size();
      text += (i == 0 ? "" : "  ") + (flush_left ? line[i] + space : space + line[i]);
    }
    out += text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

}  // namespace attune
