// Numbers with a plus sign, as spreadsheets and people write them.
#pragma once

#include <string_view>

namespace attune {

/// A number in decimal without its plus sign, which std::from_chars refuses; "+-1" stays, and is none.
inline std::string_view without_plus(std::string_view number) {
  return number.substr(number.starts_with('+') && !number.starts_with("+-") ? 1 : 0);
}

}  // namespace attune
