// JSON values: read from untrusted files, or built and written.
//
// A value that was read knows its position, so that every error names file and path:
//
//   config.json: rope_parameters.full_attention.rope_theta: must be a number, found "ten"
//
// Nothing is changed silently: an integer that does not fit is an error, and numbers are finite. Objects keep the order
// in which they were written. Copies are cheap, since they share memory; a change to one copy never shows in another.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/input_file.h"

namespace attune::json {

struct Node;      // json/node.h
struct Document;  // json/node.h

class Value {
 public:
  using Member = std::pair<std::string, Value>;

  // ---- building ----

  /// null.
  Value();
  Value(std::nullptr_t) : Value() {}
  Value(bool value);
  template <std::integral T>
  Value(T value) : Value(Integer{static_cast<std::uint64_t>(value), std::cmp_less(value, 0)}) {}
  /// A number that is not finite becomes null, because JSON cannot represent it.
  Value(double value);
  /// Written with the fewest digits that restore the float.
  Value(float value);
  Value(std::string value);
  Value(std::string_view value) : Value(std::string(value)) {}
  Value(const char* value) : Value(std::string(value)) {}

  static Value array(std::initializer_list<Value> items = {});
  /// An array of the elements of any range.
  template <class Range>
  static Value array_of(const Range& range) {
    Value out = array();
    for (const auto& item : range) out.push_back(Value(item));
    return out;
  }
  /// The keys must differ; this is not checked.
  static Value object(std::vector<Member> members = {});

  /// Appends to an array.
  void push_back(Value item);
  /// Sets a member of an object: in place if the key exists, otherwise at the end.
  void set(const std::string& key, Value value);
  /// Sets every member of `other`, in its order.
  void merge(const Value& other);

  /// As text: on one line, or with `indent` spaces per level. Throws Error on a string that is not valid UTF-8.
  std::string dump(int indent = -1) const;

  // ---- reading: each throws Error with file and path if the value is of another kind or out of range ----

  bool is_null() const;
  bool is_boolean() const;
  bool is_number() const;
  bool is_string() const;
  bool is_array() const;
  bool is_object() const;

  bool boolean() const;
  const std::string& string() const;
  /// An integer in [min, max].
  std::int64_t integer(std::int64_t min = std::numeric_limits<std::int64_t>::min(),
                       std::int64_t max = std::numeric_limits<std::int64_t>::max()) const;
  /// An integer in [0, 2^64).
  std::uint64_t unsigned_integer() const;
  /// Any number, rounded to a double.
  double number() const;
  /// A number > 0.
  double positive() const;
  /// A number >= 0.
  double non_negative() const;
  /// A number in [0, 1).
  double probability() const;

  /// Number of elements of an array or object.
  std::size_t size() const;
  /// Elements of an array.
  std::vector<Value> items() const;
  /// Calls visit(key, value) for every member of an object, as ordered there.
  void for_each(const std::function<void(const std::string&, const Value&)>& visit) const;

  /// Member of an object, or nothing if it is missing or null.
  std::optional<Value> find(std::string_view key) const;
  bool has(std::string_view key) const { return find(key).has_value(); }
  /// Member of an object; missing and null are errors.
  Value operator[](std::string_view key) const;

  // The member under a key, or `fallback` if it is missing or null.
  bool boolean_or(std::string_view key, bool fallback) const;
  std::string string_or(std::string_view key, const std::string& fallback) const;
  std::int64_t integer_or(std::string_view key, std::int64_t fallback,
                          std::int64_t min = std::numeric_limits<std::int64_t>::min(),
                          std::int64_t max = std::numeric_limits<std::int64_t>::max()) const;
  double number_or(std::string_view key, double fallback) const;
  double positive_or(std::string_view key, double fallback) const;
  double non_negative_or(std::string_view key, double fallback) const;
  double probability_or(std::string_view key, double fallback) const;

  /// The name of the file this was read from; empty for a value that was built.
  const std::string& file() const;
  /// Throws Error "<file>: <path>: <what>".
  [[noreturn]] void fail(const std::string& what) const;

 private:
  friend class Parser;
  struct Integer {
    std::uint64_t bits;
    bool negative;
  };
  explicit Value(Integer integer);
  explicit Value(Node node);
  Value(std::shared_ptr<const Document> document, const Node& node) : document_(std::move(document)), node_(&node) {}

  /// The node for writing; its subtree is copied first if other values share it.
  Node& own_node();
  /// The node alone: moved out if no other value shares it.
  Node take() &&;
  [[noreturn]] void fail_kind(const std::string& needed) const;

  std::shared_ptr<const Document> document_;
  const Node* node_;
};

/// Why a text cannot be parsed.
enum class ParseRule : std::uint8_t { kSyntax, kDuplicateKey, kTooDeep, kTooLarge };

class ParseError : public Error {
 public:
  ParseError(ParseRule rule, const std::string& message) : Error(message), rule_(rule) {}
  ParseRule rule() const { return rule_; }

 private:
  ParseRule rule_;
};

/// Limits for a text.
struct Limits {
  std::size_t max_depth = 128;                    // of nested arrays and objects
  std::size_t max_bytes = std::size_t{1} << 28;   // 256 MiB: the largest tokenizer files need a tenth
  std::size_t max_values = std::size_t{1} << 24;  // about 1 GiB of memory
};

/// Parses the text of the file `name`. Throws ParseError if it is not JSON, has a key twice in an object, or exceeds a
/// limit.
Value parse(std::string_view text, const std::string& name, const Limits& limits = {});
/// Reads and parses a file. Throws IoError if it cannot be read, or is not of this kind.
Value read(const std::string& path, const Limits& limits = {}, FileKind kind = FileKind::kAny);

}  // namespace attune::json
