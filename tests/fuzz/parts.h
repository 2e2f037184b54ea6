// An input that stands for several files.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

namespace attune::fuzz {

/// The parts of an input that stands for several files: `count` of them, separated by the byte 0x1E; the last part has
/// the rest. Missing parts are empty.
inline std::vector<std::string_view> parts_of(std::string_view input, std::size_t count) {
  std::vector<std::string_view> out;
  while (out.size() + 1 < count) {
    const std::size_t end = std::min(input.find('\x1E'), input.size());
    out.push_back(input.substr(0, end));
    input.remove_prefix(std::min(end + 1, input.size()));
  }
  out.push_back(input);
  return out;
}

}  // namespace attune::fuzz
