// Integer arithmetic that says when it would lie.
#pragma once

#include <cstdint>
#include <type_traits>

#include "base/check.h"

namespace attune {

/// ceil(a / b) for non-negative a and positive b.
template <class T>
constexpr T ceil_div(T a, T b) {
  return (a + b - 1) / b;
}

/// Converts between integer types; throws Error where the value does not fit.
template <class To, class From>
constexpr To narrow(From value) {
  static_assert(std::is_integral_v<To> && std::is_integral_v<From>);
  const To result = static_cast<To>(value);
  CHECK(static_cast<From>(result) == value && (result < To{}) == (value < From{}), "integer ", +value,
        " does not fit the type it is stored in");
  return result;
}

}  // namespace attune
