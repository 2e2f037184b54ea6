#include "tokenizer/json_reader.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/read_file.h"
#include "base/printable.h"

namespace attune {

using Json = nlohmann::json;

struct JsonNode::Document {
  std::string file;
  Json root;
};

JsonNode::JsonNode(std::shared_ptr<const Document> document, const Json* value)
    : document_(std::move(document)), value_(value) {}

JsonNode JsonNode::parse_file(const std::string& path) {
  return parse(read_file(path), path);
}

JsonNode JsonNode::parse(std::string_view text, const std::string& name) {
  try {
    auto document = std::make_shared<const Document>(Document{name, Json::parse(text)});
    const Json* root = &document->root;
    return JsonNode(std::move(document), root);
  } catch (const Json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..." less its internal name.
    const std::string what = error.what();
    const std::size_t end = what.find("] ");
    throw Error(str_cat(name, ": not valid JSON: ", end == std::string::npos ? what : what.substr(end + 2)));
  }
}

std::string JsonNode::way() const {
  std::vector<std::pair<const Json*, std::string>> open{{&document_->root, ""}};
  while (!open.empty()) {
    const auto [value, way_there] = std::move(open.back());
    open.pop_back();
    if (value == value_) return way_there;
    if (value->is_object())
      for (auto it = value->begin(); it != value->end(); ++it)
        open.emplace_back(&it.value(), way_there + (way_there.empty() ? "" : ".") + it.key());
    if (value->is_array())
      for (std::size_t i = 0; i < value->size(); ++i) open.emplace_back(&(*value)[i], str_cat(way_there, "[", i, "]"));
  }
  return "";
}

void JsonNode::fail(const std::string& what) const {
  const std::string place = printable(way());
  throw Error(str_cat(document_->file, ": ", place, place.empty() ? "" : ": ", what));
}

void JsonNode::expect(bool holds, const char* type) const {
  if (!holds) fail(str_cat("expected ", type, ", found ", value_->type_name()));
}

std::optional<JsonNode> JsonNode::find(std::string_view key) const {
  expect(value_->is_object(), "an object");
  const auto found = value_->find(key);
  if (found == value_->end() || found->is_null()) return std::nullopt;
  return JsonNode(document_, &*found);
}

JsonNode JsonNode::operator[](std::string_view key) const {
  auto found = find(key);
  if (!found) fail(str_cat("key \"", key, "\" is missing"));
  return *std::move(found);
}

std::vector<JsonNode> JsonNode::items() const {
  expect(value_->is_array(), "an array");
  std::vector<JsonNode> out;
  out.reserve(value_->size());
  for (const Json& item : *value_) out.push_back(JsonNode(document_, &item));
  return out;
}

void JsonNode::for_each(const std::function<void(const std::string&, const JsonNode&)>& visit) const {
  expect(value_->is_object(), "an object");
  for (auto it = value_->begin(); it != value_->end(); ++it) visit(it.key(), JsonNode(document_, &it.value()));
}

bool JsonNode::is_string() const {
  return value_->is_string();
}
bool JsonNode::is_object() const {
  return value_->is_object();
}
bool JsonNode::is_zero() const {
  return value_->is_number() && value_->get<double>() == 0;
}
const std::string& JsonNode::file() const {
  return document_->file;
}

std::string JsonNode::string() const {
  expect(value_->is_string(), "a string");
  return value_->get<std::string>();
}

std::int64_t JsonNode::integer() const {
  const bool too_large = value_->is_number_unsigned() &&
                         value_->get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()};
  expect(value_->is_number_integer() && !too_large, "an integer");
  return value_->get<std::int64_t>();
}

bool JsonNode::boolean() const {
  expect(value_->is_boolean(), "true or false");
  return value_->get<bool>();
}

bool JsonNode::boolean_or(std::string_view key, bool otherwise) const {
  const auto found = find(key);
  return found ? found->boolean() : otherwise;
}

std::string JsonNode::string_or(std::string_view key, const std::string& otherwise) const {
  const auto found = find(key);
  return found ? found->string() : otherwise;
}

}  // namespace attune
