// NaN, for measures that have no value.
#pragma once

#include <limits>

namespace attune::testing {

inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

}  // namespace attune::testing
