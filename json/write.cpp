// The text of a value: numbers with the fewest digits that restore them, members in their order.
#include <charconv>
#include <cmath>

#include "base/check.h"
#include "base/printable.h"
#include "base/utf8.h"
#include "json/node.h"

namespace attune::json {
namespace {

class Writer {
 public:
  explicit Writer(int indent) : indent_(indent) {}

  void write(const Node& node) {
    std::visit([this](const auto& value) { write(value); }, node.data);
  }
  std::string take() { return std::move(out_); }

 private:
  void write(std::nullptr_t) { out_ += "null"; }
  void write(bool value) { out_ += value ? "true" : "false"; }
  void write(std::int64_t value) { write_number(value); }
  void write(std::uint64_t value) { write_number(value); }
  void write(double value) {
    write_number(value);
    if (value == 0 && std::signbit(value)) out_ += ".0";  // -0 would be read as an integer, which has no sign
  }

  template <class T>
  void write_number(T value) {
    char digits[32];
    out_.append(digits, std::to_chars(digits, digits + sizeof(digits), value).ptr);
  }

  void write(const std::string& text) {
    const auto bad = utf8_error(text);
    CHECK(!bad, "cannot be written as JSON: \"", printable(text), "\" is not valid UTF-8 at byte offset ", *bad);
    out_ += '"';
    for (const char c : text) write(c);
    out_ += '"';
  }

  void write(char c) {
    constexpr char kHex[] = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '"':
      case '\\':
        out_ += {'\\', c};
        break;
      case '\b':
        out_ += "\\b";
        break;
      case '\f':
        out_ += "\\f";
        break;
      case '\n':
        out_ += "\\n";
        break;
      case '\r':
        out_ += "\\r";
        break;
      case '\t':
        out_ += "\\t";
        break;
      default:
        if (byte < 0x20)
          out_ += {'\\', 'u', '0', '0', kHex[byte >> 4], kHex[byte & 15]};
        else
          out_ += c;
    }
  }

  void write(const Node::Array& array) {
    open('[');
    for (const Node& item : array) {
      begin_item();
      write(item);
    }
    close(']', array.empty());
  }

  void write(const Node::Object& object) {
    open('{');
    for (const Member& member : object) {
      begin_item();
      write(member.key);
      out_ += indent_ < 0 ? ":" : ": ";
      write(member.value);
    }
    close('}', object.empty());
  }

  void open(char bracket) {
    out_ += bracket;
    ++depth_;
    first_ = true;
  }

  void begin_item() {
    if (!first_) out_ += ',';
    first_ = false;
    new_line();
  }

  void close(char bracket, bool empty) {
    --depth_;
    if (!empty) new_line();
    out_ += bracket;
    first_ = false;
  }

  void new_line() {
    if (indent_ < 0) return;
    out_ += '\n';
    out_.append(static_cast<std::size_t>(indent_) * depth_, ' ');
  }

  int indent_;
  std::size_t depth_ = 0;
  bool first_ = true;  // the next item is the first of its array or object
  std::string out_;
};

}  // namespace

std::string dump(const Node& node, int indent) {
  Writer writer(indent);
  writer.write(node);
  return writer.take();
}

}  // namespace attune::json
