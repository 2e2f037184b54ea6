// Integer arithmetic with checks for overflow.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#include "base/check.h"

namespace attune {

/// ceil(a / b) for non-negative a and positive b.
template <class T>
constexpr T ceil_div(T a, T b) {
  return (a + b - 1) / b;
}

/// Converts between integer types; throws Error if the value does not fit.
template <class To, class From>
constexpr To narrow(From value) {
  static_assert(std::is_integral_v<To> && std::is_integral_v<From>);
  CHECK(std::in_range<To>(value), "integer ", +value, " does not fit the type it is stored in");
  return static_cast<To>(value);
}

}  // namespace attune
