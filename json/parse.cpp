// Parsing: nlohmann's parser reads the text token by token and calls a handler, which builds the tree and keeps to the
// limits. Neither is recursive, so deep nesting cannot exhaust the stack.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "base/printable.h"
#include "base/read_file.h"
#include "json/node.h"
#include "json/value.h"

namespace attune::json {

class Parser {
 public:
  Parser(const std::string& name, const Limits& limits) : name_(name), limits_(limits) {}

  static Value parse(std::string_view text, const std::string& name, const Limits& limits) {
    Parser parser(name, limits);
    if (text.size() > limits.max_bytes)
      parser.fail(ParseRule::kTooLarge, "has ", text.size(), " bytes, at most ", limits.max_bytes, " are read");
    // nlohmann's parser would take a zero byte for the end of the text.
    if (text.find('\0') != text.npos) parser.fail(ParseRule::kSyntax, "not valid JSON: holds a byte that is 0");
    nlohmann::json::sax_parse(text, &parser);
    parser.document_->file = name;
    const Node& root = parser.document_->root;
    return Value(std::move(parser.document_), root);
  }

  // The events of nlohmann's parser; true continues.
  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(std::int64_t value) { return add(value); }
  bool number_unsigned(std::uint64_t value) {
    return value <= std::uint64_t{std::numeric_limits<std::int64_t>::max()} ? add(static_cast<std::int64_t>(value))
                                                                            : add(value);
  }
  bool number_float(double value, const std::string& /*text*/) { return add(value); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool key(std::string& key) {
    std::get<Node::Object>(open_.back()->data).push_back({std::move(key), {}});
    return true;
  }
  bool start_object(std::size_t /*size*/) { return open(Node::Object()); }
  bool start_array(std::size_t /*size*/) { return open(Node::Array()); }
  bool end_object() {
    check_keys(std::get<Node::Object>(open_.back()->data));
    open_.pop_back();
    return true;
  }
  bool end_array() {
    open_.pop_back();
    return true;
  }
  bool binary(nlohmann::json::binary_t& /*value*/) { return false; }  // never in a text

  bool parse_error(std::size_t /*position*/, const std::string& /*token*/, const nlohmann::json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..." without its internal name.
    constexpr std::size_t kMaxMessage = 300;
    const std::string_view what = error.what();
    const std::size_t end = what.find("] ");
    fail(ParseRule::kSyntax,
         "not valid JSON: ", printable(end == std::string::npos ? what : what.substr(end + 2), kMaxMessage));
  }

 private:
  template <class... Args>
  [[noreturn]] void fail(ParseRule rule, const Args&... what) const {
    throw ParseError(rule, str_cat(name_, ": ", what...));
  }

  // Puts a value into the current array or object and returns its address, which is valid until that array or object
  // grows.
  template <class T>
  Node& place(T&& value) {
    if (++values_ > limits_.max_values)
      fail(ParseRule::kTooLarge, "holds more than ", limits_.max_values, " JSON values");
    Node* at = &document_->root;
    if (!open_.empty()) {
      if (auto* array = std::get_if<Node::Array>(&open_.back()->data))
        at = &array->emplace_back();
      else
        at = &std::get<Node::Object>(open_.back()->data).back().value;
    }
    at->data = std::forward<T>(value);
    return *at;
  }

  template <class T>
  bool add(T&& value) {
    place(std::forward<T>(value));
    return true;
  }

  template <class T>
  bool open(T&& container) {
    if (open_.size() == limits_.max_depth)
      fail(ParseRule::kTooDeep, "JSON is nested more than ", limits_.max_depth, " deep");
    open_.push_back(&place(std::forward<T>(container)));
    return true;
  }

  // Most objects are small: their keys are compared with each other, which needs no memory.
  void check_keys(const Node::Object& object) const {
    constexpr std::size_t kSmall = 16;
    std::unordered_set<std::string_view> keys;
    if (object.size() > kSmall) keys.reserve(object.size());
    for (auto member = object.begin(); member != object.end(); ++member) {
      const bool fresh = object.size() > kSmall
                             ? keys.insert(member->key).second
                             : std::ranges::find(object.begin(), member, member->key, &Member::key) == member;
      if (!fresh) fail(ParseRule::kDuplicateKey, "has the key '", printable(member->key), "' twice in one object");
    }
  }

  const std::string& name_;
  const Limits& limits_;
  std::shared_ptr<Document> document_ = std::make_shared<Document>();
  std::vector<Node*> open_;  // the arrays and objects around the next value, outermost first
  std::size_t values_ = 0;
};

Value parse(std::string_view text, const std::string& name, const Limits& limits) {
  return Parser::parse(text, name, limits);
}

Value read(const std::string& path, const Limits& limits, FileKind kind) {
  return parse(read_file(path, limits.max_bytes, kind), path, limits);
}

}  // namespace attune::json
