// A writer of HTML and SVG that escapes by construction: every text and every value of an attribute is escaped. The
// parts that are not (names of elements and attributes, the page's own style and script) can only be constants of the
// program, which the compiler checks. So no text of data can become markup, and elements always close in order.
//
// Texts may be any bytes. Control characters become visible (U+2400 ...), broken UTF-8 becomes U+FFFD.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace attune::html {

/// The name of an element or attribute: letters, digits and "-", none whose value or text would be run or loaded.
class Name {
 public:
  consteval Name(const char* name) : text_(name) {
    if (text_.empty() || text_.starts_with("on") || text_ == "src" || text_ == "style" || text_ == "script" ||
        text_ == "srcdoc")
      throw "its value or text could be run or loaded";
    for (const char c : text_)
      if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '-')
        throw "the name of an element or attribute has another character";
  }
  std::string_view text() const { return text_; }

 private:
  std::string_view text_;
};

/// The page's own style or script, which cannot close its element.
class Code {
 public:
  consteval Code(const char* code) : text_(code) {
    if (text_.find("</") != std::string_view::npos) throw "the text closes its element";
  }
  std::string_view text() const { return text_; }

 private:
  std::string_view text_;
};

struct Attribute {
  Name name;
  std::string value;
};
using Attributes = std::initializer_list<Attribute>;

/// `text` for the inside of an element or of an attribute in double quotes.
std::string escaped(std::string_view text);
/// At most `max_bytes` bytes of it, cut between characters, with an ellipsis if some are missing.
std::string shortened(std::string_view text, std::size_t max_bytes);

class Writer {
 public:
  /// An open element; the end of its life closes it.
  class Element {
   public:
    explicit Element(Writer& writer) : writer_(writer) {}
    ~Element() { writer_.close(); }
    Element(const Element&) = delete;
    Element& operator=(const Element&) = delete;

   private:
    Writer& writer_;
  };

  /// Opens an element for as long as the result lives.
  [[nodiscard]] Element in(Name tag, Attributes attributes = {});
  /// A whole element with a text.
  void element(Name tag, Attributes attributes, std::string_view text);
  void element(Name tag, std::string_view text) { element(tag, {}, text); }
  /// An element without contents: in HTML one that has no end (meta, br), in SVG any.
  void empty(Name tag, Attributes attributes = {});
  void text(std::string_view text);
  /// The elements <style> and <script>, whose texts are not escaped.
  void style(Code code);
  void script(Code code);

  /// The document, after every element is closed.
  std::string take();

 private:
  void start(Name tag, Attributes attributes);
  void close();

  std::string out_ = "<!DOCTYPE html>\n";
  std::vector<std::string_view> open_;
};

}  // namespace attune::html
