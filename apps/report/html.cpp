#include "apps/report/html.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/utf8.h"

namespace attune::html {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// The picture of a control character, U+2400 .. U+2421, in UTF-8.
std::string control_picture(unsigned char c) {
  return {'\xE2', '\x90', static_cast<char>(0x80 + (c == 0x7F ? 0x21 : c))};
}

void append_ascii(std::string& out, char c) {
  switch (c) {
    case '&':
      out += "&amp;";
      break;
    case '<':
      out += "&lt;";
      break;
    case '>':
      out += "&gt;";
      break;
    case '"':
      out += "&quot;";
      break;
    case '\'':
      out += "&#39;";
      break;
    case '\t':
    case '\n':
      out += c;
      break;
    default: {
      const auto byte = static_cast<unsigned char>(c);
      out += byte < 0x20 || byte == 0x7F ? control_picture(byte) : std::string(1, c);
    }
  }
}

// Code points that HTML does not allow in a text: C1 controls and U+nFFFE, U+nFFFF, U+FDD0 .. U+FDEF; and those that
// change the direction of what comes after them: U+202A .. U+202E, U+2066 .. U+2069.
bool refused(std::string_view point) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(point[i]); };
  if (point.size() == 2) return at(0) == 0xC2 && at(1) < 0xA0;
  if (point.size() == 3 && at(0) == 0xEF && at(1) == 0xB7) return at(2) >= 0x90 && at(2) <= 0xAF;
  if (point.size() == 3 && at(0) == 0xE2)
    return (at(1) == 0x80 && at(2) >= 0xAA && at(2) <= 0xAE) || (at(1) == 0x81 && at(2) >= 0xA6 && at(2) <= 0xA9);
  const std::size_t last = point.size() - 1;
  const bool plane_end = point.size() == 3 ? at(0) == 0xEF && at(1) == 0xBF : at(1) % 16 == 15 && at(2) == 0xBF;
  return plane_end && at(last) >= 0xBE;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (std::size_t i = 0; i < text.size();) {
    const int length = utf8::valid_length(text.data() + i, text.data() + text.size());
    if (length == 1) {
      append_ascii(out, text[i]);
    } else if (length == 0 || refused(text.substr(i, static_cast<std::size_t>(length)))) {
      out += kReplacement;
    } else {
      out += text.substr(i, static_cast<std::size_t>(length));
    }
    i += static_cast<std::size_t>(std::max(length, 1));
  }
  return out;
}

std::string shortened(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  std::size_t end = max_bytes;
  while (end > 0 && utf8::is_continuation(text[end])) --end;
  return std::string(text.substr(0, end)) + "\xE2\x80\xA6";
}

void Writer::start(Name tag, Attributes attributes) {
  out_ += '<';
  out_ += tag.text();
  for (const auto& [name, value] : attributes) {
    out_ += ' ';
    out_ += name.text();
    out_ += "=\"" + escaped(value) + '"';
  }
}

Writer::Element Writer::in(Name tag, Attributes attributes) {
  start(tag, attributes);
  out_ += '>';
  open_.push_back(tag.text());
  return Element(*this);
}

void Writer::close() {
  const std::string_view tag = open_.back();
  open_.pop_back();
  out_ += "</" + std::string(tag) + ">";
  // A line for each block, but no white space inside of a line of text.
  constexpr std::array<std::string_view, 6> kInline = {"a", "b", "bdi", "span", "text", "code"};
  if (std::ranges::find(kInline, tag) == kInline.end()) out_ += '\n';
}

void Writer::element(Name tag, Attributes attributes, std::string_view text) {
  const Element opened = in(tag, attributes);
  this->text(text);
}

void Writer::empty(Name tag, Attributes attributes) {
  start(tag, attributes);
  out_ += "/>";
}

void Writer::text(std::string_view text) {
  out_ += escaped(text);
}

void Writer::style(Code code) {
  out_ += "<style>" + std::string(code.text()) + "</style>\n";
}

void Writer::script(Code code) {
  out_ += "<script>" + std::string(code.text()) + "</script>\n";
}

std::string Writer::take() {
  CHECK(open_.empty(), "the element ", open_.back(), " is still open");
  return std::move(out_);
}

}  // namespace attune::html
