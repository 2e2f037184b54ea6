// One entry of a generated table: the code points first..last are (or are not) of a class, whatever utf8proc says.
#pragma once

#include <algorithm>
#include <iterator>
#include <span>

namespace attune::unicode {

struct OverrideRange {
  char32_t first, last;  // inclusive
  bool member;
};

/// The class of a code point in a sorted table; `otherwise`, utf8proc's class, if the table does not have it.
inline bool overridden(std::span<const OverrideRange> table, char32_t c, bool otherwise) {
  const auto range = std::upper_bound(table.begin(), table.end(), c,
                                      [](char32_t value, const OverrideRange& entry) { return value < entry.first; });
  if (range == table.begin() || c > std::prev(range)->last) return otherwise;
  return std::prev(range)->member;
}

/// `from` becomes `to`, whatever utf8proc says.
struct OverrideMapping {
  char32_t from, to;
};

}  // namespace attune::unicode
