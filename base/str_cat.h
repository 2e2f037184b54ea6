// Text from parts, for messages: str_cat("row ", 3, " of ", path).
//
// A part is text, a number in the form that a std::ostream gives it, or what has an operator<<. Parts are turned into one
// type where they are passed, so that the code that joins them exists once, and not once for each list of types.
#pragma once

#include <array>
#include <concepts>
#include <initializer_list>
#include <iosfwd>
#include <string>
#include <string_view>
#include <type_traits>

namespace attune {
namespace detail {

/// One part, alive as long as the value it was made of.
class TextPart {
 public:
  TextPart(std::string_view text) : text_(text) {}
  TextPart(const std::string& text) : text_(text) {}
  TextPart(const char* text) : text_(text) {}
  TextPart(char one) : room_{one}, text_(room_.data(), 1) {}
  TextPart(double number);
  template <std::signed_integral T>
  TextPart(T number) : TextPart(static_cast<long long>(number)) {}
  template <std::unsigned_integral T>
  TextPart(T number) : TextPart(static_cast<unsigned long long>(number)) {}
  TextPart(long long number);
  TextPart(unsigned long long number);
  TextPart(const void* address);
  TextPart(signed char) = delete;  // a character or a number?
  TextPart(unsigned char) = delete;
  template <class T>
  requires(std::is_class_v<T> || std::is_enum_v<T>) TextPart(const T& value)
      : value_(&value), write_([](std::ostream& out, const void* at) { out << *static_cast<const T*>(at); }) {}
  TextPart(const TextPart&) = delete;
  TextPart& operator=(const TextPart&) = delete;

  /// Throws std::ios_base::failure where an operator<< fails.
  void append_to(std::string& out) const;

 private:
  std::array<char, 24> room_;  // a number's text
  std::string_view text_;
  const void* value_ = nullptr;
  void (*write_)(std::ostream&, const void*) = nullptr;  // of a value without text_
};

std::string joined(std::initializer_list<TextPart> parts);

}  // namespace detail

/// The texts of all arguments, one after the other.
template <class... Args>
std::string str_cat(const Args&... args) {
  return detail::joined({detail::TextPart(args)...});
}

}  // namespace attune
