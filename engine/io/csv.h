// Values separated by commas or tabs, below a header row.
//
// CSV is as in RFC 4180: quoted fields may hold commas, quotes (doubled) and line ends; a quote that is never closed
// makes the rest of the file one row. In TSV a line is a row and quotes are text, so that files which were written
// without any quoting are read as they are; but a field that is quoted as a whole, as spreadsheets write it, is
// unquoted.
//
// Below a header of one column a blank line is a row with an empty field, as spreadsheets write it. Other blank lines are
// skipped.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/io/table.h"

namespace attune {

class SeparatedTable : public LineTable {
 protected:
  using LineTable::LineTable;
  /// Reads the header row of a file that was just opened. Throws Error if there is none.
  void read_header();

 private:
  /// Throws Error naming file and line of what cut() finds wrong, or of a wrong number of fields.
  void parse(std::string_view bytes, std::int64_t number, std::vector<std::string_view>& fields,
             std::string& scratch) const final;
  /// Appends all fields of a row: views of it or of `scratch`, which has room for as many bytes. Throws Error that says
  /// what is wrong.
  virtual void cut(std::string_view row, char* scratch, std::vector<std::string_view>& fields) const = 0;
};

class CsvReader : public SeparatedTable {
 public:
  /// Opens a file and reads its header row. Throws IoError, or Error if there is no header.
  explicit CsvReader(const std::string& path);

 private:
  /// Throws Error on an unterminated or misplaced quote, or text that is not UTF-8.
  void cut(std::string_view row, char* scratch, std::vector<std::string_view>& fields) const override;
};

class TsvReader : public SeparatedTable {
 public:
  /// As CsvReader.
  explicit TsvReader(const std::string& path);

 private:
  /// Throws Error on text that is not UTF-8.
  void cut(std::string_view row, char* scratch, std::vector<std::string_view>& fields) const override;
};

/// A field in CSV form: quoted only if it contains a comma, a quote or a line end.
std::string csv_field(const std::string& text);

}  // namespace attune
