// Texts in the order of their file: a column of a table or of a CSV file, a field of a JSON-lines file, or the ones
// given. Read in blocks, so that memory does not grow with the file.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace attune {

class TextSource {
 public:
  /// Throws IoError if the file cannot be opened, Error if it has no such column.
  static TextSource from_csv(const std::string& path, const std::string& column);
  /// A table that is chosen by the end of its name (engine/io/table.h).
  static TextSource from_table(const std::string& path, const std::string& column);
  /// `path` may be "-", standard input.
  static TextSource from_jsonl(const std::string& path, const std::string& field);
  /// Every line of standard input is a text. A byte-order mark is skipped.
  static TextSource from_lines();
  static TextSource from_texts(std::vector<std::string> texts);

  /// The next `count` texts; fewer at the end, none after it. Throws Error naming file and line of a malformed row.
  std::vector<std::string> next(std::size_t count);

 private:
  /// Writes the next text; false at the end.
  using Read = std::function<bool(std::string&)>;
  explicit TextSource(Read read) : read_(std::move(read)) {}

  Read read_;
};

}  // namespace attune
