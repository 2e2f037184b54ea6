// The scale of an axis: the numbers at its ends, its ticks at round numbers, and their texts.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace attune::html {

struct Scale {
  double min = 0, max = 1;  // min < max; every tick is between them
  std::vector<double> ticks = {};
  bool log = false;  // equal ratios have equal distances; min > 0

  /// Where a value is: 0 at min, 1 at max.
  double place(double value) const;
};

/// A scale with about `ticks` round ticks that shows all values. One value, or equal ones, are in the middle; without
/// values it goes from 0 to 1. Throws Error if a value is not finite.
Scale scale_of(std::span<const double> values, int ticks = 5);
/// From min to max, not wider. Throws Error unless min < max.
Scale fixed_scale(double min, double max, int ticks = 5);
/// A scale in powers of ten if the values are positive and the largest is more than a hundred times the smallest; else
/// scale_of.
Scale log_scale_if_wide(std::span<const double> values, int ticks = 5);

/// A tick with the fewest digits that give its value: "0.25", "5e-5", "1200".
std::string tick_text(const Scale& scale, double tick);
/// A number for a person: four significant digits.
std::string number_text(double value);
/// "1,234,567".
std::string count_text(std::int64_t count);

}  // namespace attune::html
