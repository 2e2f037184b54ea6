// JSON lines: one object per line.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/byte_reader.h"

namespace attune {

class JsonlReader {
 public:
  /// Opens a file, or standard input for "-". Throws IoError.
  explicit JsonlReader(const std::string& path);
  /// Reads the values of the named fields of the next line; false at the end of the file. Strings come as they are,
  /// numbers as their text. Throws Error naming file and line of what is not a JSON object, a missing field, or one of
  /// another kind.
  bool next(const std::vector<std::string>& names, std::vector<std::string>& values);
  /// "path:line" of the line read last.
  std::string where() const;

 private:
  ByteReader file_;
  std::int64_t line_ = 0;
};

}  // namespace attune
