// Tables of texts: rows with named columns, from CSV, TSV or JSON lines, or from a folder of text files.
//
// Reading has two steps. A Table reads bytes and finds where rows begin. TableRows has the bytes of the rows that were
// found; any thread may parse any of them. Memory grows with the longest row, not with the file; a row has at most
// ByteReader::kMaxLine bytes. Text must be UTF-8; a byte-order mark is skipped.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_reader.h"

namespace attune {

class Table;

/// Rows that follow one another, as the table has them. The table must outlive them.
class TableRows {
 public:
  std::int64_t size() const { return static_cast<std::int64_t>(rows_.size()); }
  /// Parses a row into the fields of the chosen columns: views of its bytes or of `scratch`, valid until the rows or
  /// `scratch` change. Throws Error as Table::next.
  void parse(std::int64_t row, std::vector<std::string_view>& fields, std::string& scratch) const;
  /// "path:line" of the first line of a row, or the path of its file.
  std::string where(std::int64_t row) const;

 private:
  friend class LineTable;
  friend class TextFolder;

  struct Row {
    std::size_t begin;    // in bytes_
    std::int64_t number;  // the line of the file, or the place of the file in its folder
  };
  std::string_view bytes_of(std::size_t row) const;

  const Table* table_ = nullptr;
  std::string bytes_;
  std::vector<Row> rows_;
};

class Table {
 public:
  virtual ~Table() = default;
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  const std::string& path() const { return path_; }
  /// Names of the columns. Of JSON lines: the names in the first line.
  const std::vector<std::string>& header() const { return header_; }
  /// Index of a column. Throws Error listing the columns there are.
  std::size_t column(const std::string& name) const;
  /// The columns that rows are parsed into, in this order; at first all. Throws as column().
  void choose(const std::vector<std::string>& names);

  /// Reads the next rows, at most `max_rows` and about 2 MiB; false at the end. Throws IoError, and Error if a row is
  /// too long.
  virtual bool read(TableRows& rows, std::int64_t max_rows) = 0;
  /// Reads the chosen fields of the next row; false at the end. Throws Error naming file and line of a malformed row.
  /// Not to be mixed with read().
  bool next(std::vector<std::string>& fields);

 protected:
  explicit Table(const std::string& path) : path_(path) {}

  std::string path_;
  std::vector<std::string> header_;
  std::vector<std::size_t> chosen_;  // indices in header_; empty: all

 private:
  friend class TableRows;
  /// Parses the bytes of the row of a number. Called on any thread.
  virtual void parse(std::string_view bytes, std::int64_t number, std::vector<std::string_view>& fields,
                     std::string& scratch) const = 0;
  virtual std::string where(std::int64_t number) const = 0;

  // Of next().
  TableRows rows_;
  std::int64_t row_ = 0;
  std::vector<std::string_view> fields_;
  std::string scratch_;
};

/// A file whose rows end with LF or CRLF. Blank lines are skipped, unless they are rows.
class LineTable : public Table {
 public:
  /// Also false after a row with a misplaced quote.
  bool read(TableRows& rows, std::int64_t max_rows) override;

 protected:
  /// Opens a file. `quotes`: line ends between quotes end no row. Throws IoError.
  LineTable(const std::string& path, bool quotes);
  struct Line {
    std::string bytes, where;
  };
  /// The first row, which the first call of read() gives again. Throws Error if there is none.
  Line peek();
  std::string where(std::int64_t number) const override;

  bool blank_rows_ = false;  // whether blank lines are rows

 private:
  ByteReader file_;
  bool quotes_;
  std::string rest_;       // bytes that were read and belong to the next rows
  bool finished_ = false;  // a quote was misplaced: where the next row begins is not known
  std::int64_t line_ = 1;
};

/// Opens a folder of texts (engine/io/text_folder.h), or a file by the end of its name: .csv, .tsv; .jsonl, .ndjson or
/// .json (JSON lines). Throws IoError, or Error if the name has another end or the file has no header.
std::unique_ptr<Table> open_table(const std::string& path);

/// The files of a table in the order of its rows: the path itself, or the files of a folder of texts. Throws IoError.
std::vector<std::string> table_files(const std::string& path);

}  // namespace attune
