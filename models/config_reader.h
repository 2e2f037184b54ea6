// Typed access to a Hugging Face config.json, with errors that name file and key.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/ops/elementwise.h"

namespace attune {

class ConfigReader {
 public:
  /// Reads and parses a file. Throws IoError or Error naming file and position.
  static ConfigReader from_file(const std::string& path);
  /// Parses a text; `name` stands for the file in errors.
  static ConfigReader from_text(const std::string& text, const std::string& name);
  ~ConfigReader();
  ConfigReader(ConfigReader&&) noexcept;

  const std::string& name() const;
  /// Whether the key exists with a value other than null.
  bool has(const std::string& key) const;

  // Required values. Throw Error where the key is missing or its value is of another kind.
  std::int64_t integer(const std::string& key) const;
  /// An integer of at least 1.
  std::int64_t positive(const std::string& key) const;
  double number(const std::string& key) const;
  std::string text(const std::string& key) const;
  std::vector<std::string> texts(const std::string& key) const;
  /// An object.
  ConfigReader object(const std::string& key) const;

  // Values with a default for a missing or null key.
  std::int64_t integer_or(const std::string& key, std::int64_t fallback) const;
  double number_or(const std::string& key, double fallback) const;
  /// A number in [0, 1).
  float probability_or(const std::string& key, double fallback) const;
  bool boolean_or(const std::string& key, bool fallback) const;
  std::string text_or(const std::string& key, const std::string& fallback) const;
  /// An activation by its Hugging Face name.
  Activation activation_or(const std::string& key, Activation fallback) const;

  /// Number of classes: of id2label, else num_labels, else `fallback`. Throws Error where the two contradict each
  /// other.
  std::int64_t num_labels_or(std::int64_t fallback) const;
  /// Names of the classes by id; empty where the file has none.
  std::vector<std::string> label_names() const;

  /// Throws Error with the file's name in front: `config.json: ...`.
  [[noreturn]] void fail(const std::string& what) const;

 private:
  struct Impl;
  explicit ConfigReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// What a saved config.json changes or adds, as JSON texts by key (e.g. {"num_labels", "3"}).
using ConfigChanges = std::map<std::string, std::string>;
/// `source` (JSON text of an object) with the changes applied, indented.
std::string changed_config(const std::string& source, const ConfigChanges& changes);
/// The changes that name the classes: id2label, label2id and num_labels.
ConfigChanges label_changes(const std::vector<std::string>& label_names);
/// The Hugging Face name of an activation that activation_or reads.
const char* hf_name(Activation activation);
/// A text as a JSON string literal.
std::string json_quote(const std::string& text);
/// A number in the fewest digits that give it back.
std::string json_number(double value);
std::string json_number(float value);

}  // namespace attune
