// Values separated by commas or tabs, below a header row.
//
// CSV is as in RFC 4180: quoted fields may hold commas, quotes (doubled) and line ends; a quote that is never closed
// makes the rest of the file one row. In TSV a line is a row and quotes are text, so that files which were written
// without any quoting are read as they are; but a field that is quoted as a whole, as spreadsheets write it, is
// unquoted.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/io/table.h"

namespace attune {

class CsvReader : public LineTable {
 public:
  /// Opens a file and reads its header row. Throws IoError, or Error if there is no header.
  explicit CsvReader(const std::string& path);

 private:
  /// Throws Error naming file and line of an unterminated or misplaced quote, a wrong number of fields, or text that is
  /// not UTF-8.
  void parse(std::string_view bytes, std::int64_t number, std::vector<std::string_view>& fields,
             std::string& scratch) const override;
};

class TsvReader : public LineTable {
 public:
  /// As CsvReader.
  explicit TsvReader(const std::string& path);

 private:
  /// Throws Error naming file and line of a wrong number of fields, or text that is not UTF-8.
  void parse(std::string_view bytes, std::int64_t number, std::vector<std::string_view>& fields,
             std::string& scratch) const override;
};

/// A field in CSV form: quoted only if it contains a comma, a quote or a line end.
std::string csv_field(const std::string& text);

}  // namespace attune
