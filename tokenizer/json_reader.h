// Reading JSON files so that every complaint names the file and the key: "…/tokenizer.json: model.merges[3]: …".
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace attune {

/// A value inside a JSON file, with the way to it. Copies are cheap and keep the document alive.
class JsonNode {
 public:
  /// Parses a file. Throws IoError where it cannot be read, Error where it is not JSON.
  static JsonNode parse_file(const std::string& path);
  /// Parses a text that stands for the file `name`.
  static JsonNode parse(std::string_view text, const std::string& name);

  /// Member of an object; throws Error where it is missing. null counts as missing.
  JsonNode operator[](std::string_view key) const;
  /// Member of an object, or nothing where it is missing or null.
  std::optional<JsonNode> find(std::string_view key) const;
  /// Elements of an array.
  std::vector<JsonNode> items() const;
  /// Calls visit(key, value) for every member of an object, in order of key.
  void for_each(const std::function<void(const std::string&, const JsonNode&)>& visit) const;

  bool is_string() const;
  bool is_object() const;
  bool is_zero() const;
  const std::string& file() const;
  std::string string() const;
  std::int64_t integer() const;
  bool boolean() const;
  /// Member `key` as a boolean or string, or `otherwise` where it is missing or null.
  bool boolean_or(std::string_view key, bool otherwise) const;
  std::string string_or(std::string_view key, const std::string& otherwise) const;

  /// Throws Error "<file>: <way>: <what>".
  [[noreturn]] void fail(const std::string& what) const;

 private:
  struct Document;
  JsonNode(std::shared_ptr<const Document> document, const nlohmann::json* value);
  /// Throws Error unless `holds`, naming the expected type and the one found.
  void expect(bool holds, const char* type) const;
  /// The keys and indices that lead from the root to this value: found by search, when a message needs it.
  std::string way() const;

  std::shared_ptr<const Document> document_;
  const nlohmann::json* value_;
};

}  // namespace attune
