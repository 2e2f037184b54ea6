// A share as text.
#pragma once

#include <array>
#include <cstdio>
#include <string>

namespace attune {

/// "98.1%" of 0.981.
inline std::string percent_text(double share) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%.1f%%", 100 * share);
  return text.data();
}

}  // namespace attune
