// Whether numbers are finite: neither infinite nor NaN.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>

namespace attune {

/// The index of the first value that is not finite; none if all are. T is float or double.
template <class T>
std::optional<std::size_t> first_not_finite(std::span<const T> values) {
  constexpr std::size_t kBlock = 1024;  // a loop without an exit is several times as fast
  for (std::size_t begin = 0; begin < values.size(); begin += kBlock) {
    const std::span<const T> block = values.subspan(begin, std::min(kBlock, values.size() - begin));
    unsigned bad = 0;
    for (const T x : block) bad |= std::abs(x) <= std::numeric_limits<T>::max() ? 0U : 1U;
    if (bad == 0) continue;
    std::size_t i = 0;
    while (std::isfinite(block[i])) ++i;
    return begin + i;
  }
  return std::nullopt;
}

}  // namespace attune
