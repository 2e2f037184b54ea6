#include "base/str_cat.h"

#include <charconv>
#include <cstdint>
#include <span>
#include <sstream>

namespace attune::detail {
namespace {

// A number as std::to_chars has it.
template <class... Number>
std::string_view written(std::span<char> room, Number... number) {
  return {room.data(), std::to_chars(room.data(), room.data() + room.size(), number...).ptr};
}

}  // namespace

TextPart::TextPart(double number) : text_(written(room_, number, std::chars_format::general, 6)) {}
TextPart::TextPart(long long number) : text_(written(room_, number)) {}
TextPart::TextPart(unsigned long long number) : text_(written(room_, number)) {}

TextPart::TextPart(const void* address)
    : room_{'0', 'x'},
      text_(room_.data(),
            2 + written(std::span(room_).subspan<2>(), reinterpret_cast<std::uintptr_t>(address), 16).size()) {}

void TextPart::append_to(std::string& out) const {
  if (write_ == nullptr) {
    out += text_;
    return;
  }
  std::ostringstream stream;
  stream.exceptions(std::ios::badbit);  // without memory a stream would cut the text without a word
  write_(stream, value_);
  out += stream.view();
}

std::string joined(std::initializer_list<TextPart> parts) {
  std::string out;
  for (const TextPart& part : parts) part.append_to(out);
  return out;
}

}  // namespace attune::detail
