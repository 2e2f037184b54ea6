#include "apps/report/scale.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iterator>

#include "base/check.h"

namespace attune::html {
namespace {

std::string formatted(const char* format, int digits, double value) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), format, digits, value);
  return text.data();
}

// 1, 2 or 5 times a power of ten, at least this distance.
double round_step(double distance) {
  const double power = std::pow(10, std::floor(std::log10(distance)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= distance * (1 - 1e-9)) return factor * power;
  return 10 * power;
}

// Multiples of a step between min and max.
std::vector<double> multiples(double min, double max, double step) {
  std::vector<double> out;
  const double first = std::ceil(min / step - 1e-6), last = std::floor(max / step + 1e-6);
  for (double i = first; i <= last; ++i) out.push_back(std::clamp(i * step, min, max) + 0.0);
  return out;
}

// Without an exponent of two digits and more: "5e-5" and not "5e-05".
std::string short_exponent(std::string text) {
  const std::size_t e = text.find('e');
  if (e == std::string::npos) return text;
  const std::size_t sign = text[e + 1] == '-' ? 1 : 0;
  const std::size_t digits = text.find_first_not_of("+-0", e + 1);
  return text.substr(0, e + 1) + (sign == 1 ? "-" : "") + (digits == std::string::npos ? "0" : text.substr(digits));
}

}  // namespace

double Scale::place(double value) const {
  if (log) return std::log(value / min) / std::log(max / min);
  return (value - min) / (max - min);
}

Scale fixed_scale(double min, double max, int ticks) {
  CHECK(std::isfinite(min) && std::isfinite(max) && min < max, "there is no scale from ", min, " to ", max);
  return {.min = min, .max = max, .ticks = multiples(min, max, round_step((max - min) / ticks))};
}

Scale scale_of(std::span<const double> values, int ticks) {
  if (values.empty()) return fixed_scale(0, 1, ticks);
  for (const double value : values) CHECK(std::isfinite(value), "a scale shows finite values, not ", value);
  auto [min, max] = std::ranges::minmax(values);
  if (max - min <= std::max(1e-12 * std::max(std::abs(min), std::abs(max)), 1e-290)) {
    const double half = min == 0 ? 1 : std::abs(min) / 2;
    return fixed_scale(min - half, max + half, ticks);
  }
  const double step = round_step((max - min) / ticks);
  min = std::min(min, std::floor(min / step + 1e-6) * step);
  max = std::max(max, std::ceil(max / step - 1e-6) * step);
  return {.min = min, .max = max, .ticks = multiples(min, max, step)};
}

Scale log_scale_if_wide(std::span<const double> values, int ticks) {
  if (values.empty()) return scale_of(values, ticks);
  const auto [min, max] = std::ranges::minmax(values);
  if (!(min > 0) || !std::isfinite(max) || max <= 100 * min) return scale_of(values, ticks);
  const double first = std::floor(std::log10(min) + 1e-9), last = std::ceil(std::log10(max) - 1e-9);
  const double every = std::max(1.0, std::ceil((last - first) / ticks));
  Scale out{.min = std::pow(10, first), .max = std::pow(10, last), .log = true};
  for (double power = first; power <= last; power += every) out.ticks.push_back(std::pow(10, power));
  return out;
}

std::string number_text(double value) {
  if (value == 0) return "0";
  if (std::abs(value) >= 1e4 && std::abs(value) < 1e15) return formatted("%.*f", 0, value);
  return short_exponent(formatted("%.*g", 4, value));
}

std::string count_text(std::int64_t count) {
  std::string digits = std::to_string(count);
  for (auto at = std::ssize(digits) - 3; at > (count < 0 ? 1 : 0); at -= 3)
    digits.insert(static_cast<std::size_t>(at), ",");
  return digits;
}

std::string tick_text(const Scale& scale, double tick) {
  if (tick == 0) return "0";
  const double distance = scale.ticks.size() > 1 && !scale.log ? scale.ticks[1] - scale.ticks[0] : std::abs(tick);
  const double largest = std::max(std::abs(scale.min), std::abs(scale.max));
  const char* format = largest >= 1e-3 && largest < 1e7 && distance >= 1e-6 ? "%.*f" : "%.*e";
  for (int digits = 0; digits < 15; ++digits) {
    const std::string text = formatted(format, digits, tick);
    if (std::abs(std::strtod(text.c_str(), nullptr) - tick) <= 1e-3 * distance) return short_exponent(text);
  }
  return number_text(tick);
}

}  // namespace attune::html
