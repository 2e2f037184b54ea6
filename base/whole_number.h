// Whole numbers that are written in decimal digits.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace attune {

/// The number, if it is all of the text and T can hold it.
template <class T>
std::optional<T> whole_number(std::string_view text) {
  T out{};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, out);
  return error == std::errc() && stop == end ? std::optional(out) : std::nullopt;
}

}  // namespace attune
