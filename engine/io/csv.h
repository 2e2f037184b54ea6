// Comma-separated values after RFC 4180: quoted fields may hold commas, quotes (doubled) and line ends; rows end with
// LF or CRLF.
//
// Rows are read one by one from the file; memory does not grow with it. Text must be UTF-8; a byte-order mark is
// skipped.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/byte_reader.h"

namespace attune {

class CsvReader {
 public:
  /// Opens a file and reads its header row. Throws IoError, or Error if there is no header.
  explicit CsvReader(const std::string& path);

  const std::vector<std::string>& header() const { return header_; }
  /// Index of a column. Throws Error listing the columns there are.
  std::size_t column(const std::string& name) const;

  /// Reads the next row into `fields`; false at the end of the file. Throws Error naming file and line of an
  /// unterminated or misplaced quote, a wrong number of fields, or text that is not UTF-8. Blank lines are skipped.
  bool next(std::vector<std::string>& fields);
  /// "path:line" of the first line of the row read last.
  std::string where() const;

 private:
  bool read_row(std::vector<std::string>& fields);
  bool read_field(std::string& field);
  /// Takes the next byte; kEnd after the last.
  int get();
  [[noreturn]] void fail(const std::string& what) const;

  std::string path_;
  ByteReader file_;
  std::vector<std::string> header_;
  std::int64_t line_ = 1, row_line_ = 1;  // next line to read; first line of the current row
};

/// A field in CSV form: quoted only if it contains a comma, a quote or a line end.
std::string csv_field(const std::string& text);

}  // namespace attune
