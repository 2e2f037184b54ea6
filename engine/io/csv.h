// Comma-separated values after RFC 4180: quoted fields may hold commas, quotes (doubled) and line ends; rows end with
// LF or CRLF.
//
// Reading has two steps. CsvReader reads bytes and finds where rows end, which takes a search for quotes and line ends.
// CsvRows has the bytes of the rows that were found; any thread may parse any of them. Memory grows with the longest
// row, not with the file; but a quote that is never closed makes the rest of the file one row. Text must be UTF-8; a
// byte-order mark is skipped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_reader.h"

namespace attune {

/// Rows that follow one another, as the file has them.
class CsvRows {
 public:
  std::int64_t size() const { return static_cast<std::int64_t>(rows_.size()); }
  /// Parses a row. The fields are views of its bytes, or of `unquoted` where quotes were doubled: valid until the rows
  /// or `unquoted` change. Throws Error as CsvReader::next.
  void parse(std::int64_t row, std::vector<std::string_view>& fields, std::string& unquoted) const;
  /// "path:line" of the first line of a row.
  std::string where(std::int64_t row) const;

 private:
  friend class CsvReader;

  struct Row {
    std::size_t begin;  // in bytes_
    std::int64_t line;  // of the file
  };

  std::string path_;
  std::string bytes_;
  std::vector<Row> rows_;
  std::size_t columns_ = 0;  // that a row must have; 0: any
};

class CsvReader {
 public:
  /// Opens a file and reads its header row. Throws IoError, or Error if there is no header.
  explicit CsvReader(const std::string& path);

  const std::vector<std::string>& header() const { return header_; }
  /// Index of a column. Throws Error listing the columns there are.
  std::size_t column(const std::string& name) const;

  /// Reads the next rows, at most `max_rows` and about 2 MiB; false at the end of the file, and after a row with a
  /// misplaced quote. Blank lines are skipped. Throws IoError.
  bool read(CsvRows& rows, std::int64_t max_rows);
  /// Reads the next row into `fields`; false at the end of the file. Throws Error naming file and line of an
  /// unterminated or misplaced quote, a wrong number of fields, or text that is not UTF-8. Not to be mixed with read().
  bool next(std::vector<std::string>& fields);

 private:
  std::string path_;
  ByteReader file_;
  std::string rest_;       // bytes that were read and belong to the next rows
  bool finished_ = false;  // a quote was misplaced: where the next row begins is not known
  std::int64_t line_ = 1;
  std::vector<std::string> header_;

  // Of next().
  CsvRows rows_;
  std::int64_t row_ = 0;
  std::vector<std::string_view> fields_;
  std::string unquoted_;
};

/// A field in CSV form: quoted only if it contains a comma, a quote or a line end.
std::string csv_field(const std::string& text);

}  // namespace attune
