#include "apps/support/memory_advice.h"

#include <array>
#include <cstdio>

namespace attune {

std::string memory_size_text(std::size_t bytes) {
  constexpr double kMiB = 1 << 20;
  const double mib = static_cast<double>(bytes) / kMiB;
  std::array<char, 40> text{};
  if (mib < 1024)
    std::snprintf(text.data(), text.size(), "%.1f MiB", mib);
  else
    std::snprintf(text.data(), text.size(), "%.2f GiB", mib / 1024);
  return text.data();
}

std::string memory_advice(const std::vector<std::string>& ways) {
  std::string out;
  for (std::size_t i = 0; i < ways.size(); ++i)
    out += (i == 0 ? "; less is needed with " : i + 1 < ways.size() ? ", " : " or ") + ways[i];
  return out;
}

}  // namespace attune
