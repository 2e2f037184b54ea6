#include "json/value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/printable.h"
#include "json/node.h"

namespace attune::json {
namespace {

// Whether `target` lies at or below `at`; its path from there is appended.
bool find_path(const Node& at, const Node* target, std::string& path) {
  if (&at == target) return true;
  const std::size_t length = path.size();
  if (const auto* object = std::get_if<Node::Object>(&at.data)) {
    for (const Member& member : *object) {
      path += (path.empty() ? "" : ".") + printable(member.key);
      if (find_path(member.value, target, path)) return true;
      path.resize(length);
    }
  }
  if (const auto* array = std::get_if<Node::Array>(&at.data)) {
    for (std::size_t i = 0; i < array->size(); ++i) {
      path += "[" + std::to_string(i) + "]";
      if (find_path((*array)[i], target, path)) return true;
      path.resize(length);
    }
  }
  return false;
}

std::string path_of(const Document& document, const Node* node) {
  std::string path = document.path;
  return find_path(document.root, node, path) ? path : document.path;
}

// A value as messages show it.
std::string found(const Node& node) {
  if (const auto* array = std::get_if<Node::Array>(&node.data))
    return str_cat("an array of ", array->size(), array->size() == 1 ? " element" : " elements");
  if (const auto* object = std::get_if<Node::Object>(&node.data))
    return str_cat("an object of ", object->size(), object->size() == 1 ? " member" : " members");
  return printable(dump(node, -1));
}

Node number_node(double value) {
  return std::isfinite(value) ? Node{value} : Node{nullptr};
}

// The double whose shortest decimal is that of `value`.
double shortest_double(float value) {
  char digits[32];
  const char* const end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
  double out = value;
  std::from_chars(digits, end, out);
  return out;
}

}  // namespace

// ---- building ----

Value::Value(Node node) {
  auto document = std::make_shared<Document>();
  document->root = std::move(node);
  node_ = &document->root;
  document_ = std::move(document);
}

Value::Value() : Value(Node{}) {}
Value::Value(bool value) : Value(Node{value}) {}
Value::Value(double value) : Value(number_node(value)) {}
Value::Value(float value) : Value(std::isfinite(value) ? shortest_double(value) : std::nan("")) {}
Value::Value(std::string value) : Value(Node{std::move(value)}) {}
Value::Value(Integer integer)
    : Value(integer.negative || integer.bits <= std::uint64_t{std::numeric_limits<std::int64_t>::max()}
                ? Node{static_cast<std::int64_t>(integer.bits)}
                : Node{integer.bits}) {}

Value Value::array(std::initializer_list<Value> items) {
  Node::Array nodes;
  for (const Value& item : items) nodes.push_back(*item.node_);
  return Value(Node{std::move(nodes)});
}

Value Value::object(std::vector<Member> members) {
  Node::Object nodes;
  nodes.reserve(members.size());
  for (Member& member : members) nodes.push_back({std::move(member.first), std::move(member.second).take()});
  return Value(Node{std::move(nodes)});
}

Node& Value::own_node() {
  if (document_.use_count() != 1 || node_ != &document_->root) {
    auto copy = std::make_shared<Document>(Document{document_->file, path_of(*document_, node_), *node_});
    node_ = &copy->root;
    document_ = std::move(copy);
  }
  return const_cast<Node&>(*node_);  // the documents are made by make_shared<Document>, never const
}

Node Value::take() && {
  if (document_.use_count() == 1 && node_ == &document_->root) return std::move(own_node());
  return *node_;
}

void Value::push_back(Value item) {
  if (!is_array()) fail_kind("an array");
  std::get<Node::Array>(own_node().data).push_back(std::move(item).take());
}

void Value::set(const std::string& key, Value value) {
  if (!is_object()) fail_kind("an object");
  auto& members = std::get<Node::Object>(own_node().data);
  const auto known = std::ranges::find(members, key, &json::Member::key);
  if (known != members.end())
    known->value = std::move(value).take();
  else
    members.push_back({key, std::move(value).take()});
}

void Value::merge(const Value& other) {
  other.for_each([this](const std::string& key, const Value& value) { set(key, value); });
}

std::string Value::dump(int indent) const {
  return json::dump(*node_, indent);
}

// ---- reading ----

bool Value::is_null() const {
  return std::holds_alternative<std::nullptr_t>(node_->data);
}
bool Value::is_boolean() const {
  return std::holds_alternative<bool>(node_->data);
}
bool Value::is_number() const {
  return std::holds_alternative<std::int64_t>(node_->data) || std::holds_alternative<std::uint64_t>(node_->data) ||
         std::holds_alternative<double>(node_->data);
}
bool Value::is_string() const {
  return std::holds_alternative<std::string>(node_->data);
}
bool Value::is_array() const {
  return std::holds_alternative<Node::Array>(node_->data);
}
bool Value::is_object() const {
  return std::holds_alternative<Node::Object>(node_->data);
}

const std::string& Value::file() const {
  return document_->file;
}

void Value::fail(const std::string& what) const {
  std::string place = path_of(*document_, node_);
  if (!place.empty() && !file().empty()) place = ": " + place;
  throw Error(str_cat(file(), place, file().empty() && place.empty() ? "" : ": ", what));
}

void Value::fail_kind(const std::string& needed) const {
  fail(str_cat("must be ", needed, ", found ", found(*node_)));
}

bool Value::boolean() const {
  if (!is_boolean()) fail_kind("true or false");
  return std::get<bool>(node_->data);
}

const std::string& Value::string() const {
  if (!is_string()) fail_kind("a string");
  return std::get<std::string>(node_->data);
}

std::int64_t Value::integer(std::int64_t min, std::int64_t max) const {
  const auto* value = std::get_if<std::int64_t>(&node_->data);
  if (value != nullptr && min <= *value && *value <= max) return *value;
  const bool has_min = min != std::numeric_limits<std::int64_t>::min();
  const bool has_max = max != std::numeric_limits<std::int64_t>::max();
  if (has_min && has_max) fail_kind(str_cat("an integer from ", min, " to ", max));
  if (has_min) fail_kind(str_cat("an integer of at least ", min));
  if (has_max) fail_kind(str_cat("an integer of at most ", max));
  const auto* real = std::get_if<double>(&node_->data);
  const bool large =
      std::holds_alternative<std::uint64_t>(node_->data) || (real != nullptr && std::abs(*real) >= 0x1p63);
  fail_kind(large ? "an integer of 64 bits" : "an integer");
}

std::uint64_t Value::unsigned_integer() const {
  if (const auto* value = std::get_if<std::uint64_t>(&node_->data)) return *value;
  const auto* value = std::get_if<std::int64_t>(&node_->data);
  if (value == nullptr || *value < 0) fail_kind("an unsigned integer of 64 bits");
  return static_cast<std::uint64_t>(*value);
}

double Value::number() const {
  if (const auto* value = std::get_if<double>(&node_->data)) return *value;
  if (const auto* value = std::get_if<std::int64_t>(&node_->data)) return static_cast<double>(*value);
  if (const auto* value = std::get_if<std::uint64_t>(&node_->data)) return static_cast<double>(*value);
  fail_kind("a number");
}

double Value::positive() const {
  if (!is_number() || !(number() > 0)) fail_kind("a positive number");
  return number();
}
double Value::non_negative() const {
  if (!is_number() || !(number() >= 0)) fail_kind("a number of at least 0");
  return number();
}
double Value::probability() const {
  if (!is_number() || !(number() >= 0 && number() < 1)) fail_kind("a probability in [0, 1)");
  return number();
}

std::size_t Value::size() const {
  if (const auto* object = std::get_if<Node::Object>(&node_->data)) return object->size();
  if (!is_array()) fail_kind("an array or object");
  return std::get<Node::Array>(node_->data).size();
}

std::vector<Value> Value::items() const {
  if (!is_array()) fail_kind("an array");
  const auto& nodes = std::get<Node::Array>(node_->data);
  std::vector<Value> out;
  out.reserve(nodes.size());
  for (const Node& node : nodes) out.push_back(Value(document_, node));
  return out;
}

void Value::for_each(const std::function<void(const std::string&, const Value&)>& visit) const {
  if (!is_object()) fail_kind("an object");
  for (const json::Member& member : std::get<Node::Object>(node_->data))
    visit(member.key, Value(document_, member.value));
}

std::optional<Value> Value::find(std::string_view key) const {
  if (!is_object()) fail_kind("an object");
  for (const json::Member& member : std::get<Node::Object>(node_->data))
    if (member.key == key && !std::holds_alternative<std::nullptr_t>(member.value.data))
      return Value(document_, member.value);
  return std::nullopt;
}

Value Value::operator[](std::string_view key) const {
  if (auto value = find(key)) return *std::move(value);
  const char* why = "is missing";
  for_each([&](const std::string& name, const Value&) {
    if (name == key) why = "is null";
  });
  fail(str_cat("the key '", printable(key), "' ", why));
}

bool Value::boolean_or(std::string_view key, bool fallback) const {
  const auto value = find(key);
  return value ? value->boolean() : fallback;
}
std::string Value::string_or(std::string_view key, const std::string& fallback) const {
  const auto value = find(key);
  return value ? value->string() : fallback;
}
std::int64_t Value::integer_or(std::string_view key, std::int64_t fallback, std::int64_t min, std::int64_t max) const {
  const auto value = find(key);
  return value ? value->integer(min, max) : fallback;
}
double Value::number_or(std::string_view key, double fallback) const {
  const auto value = find(key);
  return value ? value->number() : fallback;
}
double Value::positive_or(std::string_view key, double fallback) const {
  const auto value = find(key);
  return value ? value->positive() : fallback;
}
double Value::non_negative_or(std::string_view key, double fallback) const {
  const auto value = find(key);
  return value ? value->non_negative() : fallback;
}
double Value::probability_or(std::string_view key, double fallback) const {
  const auto value = find(key);
  return value ? value->probability() : fallback;
}

}  // namespace attune::json
