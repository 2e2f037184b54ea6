// JSON lines: one object per line. Of a field, a string is taken as it is, a number as its text, true as "1" and false
// as "0".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_reader.h"
#include "engine/io/table.h"

namespace attune {

/// A file whose columns are the names in its first line.
class JsonlTable : public LineTable {
 public:
  /// Throws IoError, or Error if there is no line or the first is not an object.
  explicit JsonlTable(const std::string& path);

 private:
  /// Throws Error naming file and line of what is not a JSON object, a missing field, or one of another kind.
  void parse(std::string_view bytes, std::int64_t number, std::vector<std::string_view>& fields,
             std::string& scratch) const override;
};

/// Lines as they come, also from standard input.
class JsonlReader {
 public:
  /// Opens a file, or standard input for "-". Throws IoError.
  explicit JsonlReader(const std::string& path);
  /// Reads the values of the named fields of the next line; false at the end of the file. Throws Error naming file and
  /// line of what is not a JSON object, a missing field, or one of another kind.
  bool next(const std::vector<std::string>& names, std::vector<std::string>& values);
  /// "path:line" of the line read last.
  std::string where() const;

 private:
  ByteReader file_;
  std::int64_t line_ = 0;
};

}  // namespace attune
