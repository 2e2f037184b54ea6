// Lists in messages: "a, b, c".
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace attune {

/// The texts text_of(item) of a range's items, separated by ", ".
template <class Range, class TextOf = std::identity>
std::string join(const Range& items, TextOf text_of = {}) {
  std::string out;
  bool first = true;
  for (const auto& item : items) {
    if (!first) out += ", ";
    out += std::invoke(text_of, item);
    first = false;
  }
  return out;
}

inline std::string quoted(std::string_view text) {
  return "'" + std::string(text) + "'";
}

}  // namespace attune
