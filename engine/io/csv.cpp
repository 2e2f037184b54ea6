#include "engine/io/csv.h"

#include <algorithm>

#include "base/check.h"
#include "base/input_file.h"
#include "base/join.h"
#include "base/printable.h"
#include "base/utf8.h"

namespace attune {
namespace {

constexpr int kEnd = ByteReader::kEnd;

}  // namespace

CsvReader::CsvReader(const std::string& path) : path_(path), file_(path) {
  file_.skip(kByteOrderMark);
  CHECK(read_row(header_), path_, ": the file is empty; a header row is needed");
}

std::size_t CsvReader::column(const std::string& name) const {
  const auto found = std::ranges::find(header_, name);
  if (found != header_.end()) {
    CHECK(std::find(found + 1, header_.end(), name) == header_.end(), path_, ": there are two columns '", name, "'");
    return static_cast<std::size_t>(found - header_.begin());
  }
  throw Error(str_cat(path_, ": there is no column '", name, "'; the columns are ",
                      join(header_, [](const std::string& column) { return quoted(printable(column)); })));
}

std::string CsvReader::where() const {
  return str_cat(path_, ":", row_line_);
}

void CsvReader::fail(const std::string& what) const {
  throw Error(where() + ": " + what);
}

int CsvReader::get() {
  const int c = file_.get();
  if (c == '\n') ++line_;
  return c;
}

// Reads one field and the character that ends it; true if another field of the row follows.
bool CsvReader::read_field(std::string& field) {
  field.clear();
  int c = get();
  if (c == '"') {
    for (;;) {
      c = get();
      if (c == kEnd) fail("the quote of a field is never closed");
      if (c == '"') {
        c = get();
        if (c != '"') break;  // the closing quote
      }
      field += static_cast<char>(c);
    }
    if (c == '\r' && (file_.peek() == '\n' || file_.peek() == kEnd)) c = get();
    if (c != ',' && c != '\n' && c != kEnd)
      fail(str_cat("a quoted field is followed by '", printable(std::string(1, static_cast<char>(c))),
                   "' where a comma or the end of the line is needed"));
    return c == ',';
  }
  for (; c != ',' && c != '\n' && c != kEnd; c = get()) {
    if (c == '"') fail("a quote stands inside an unquoted field");
    if (c == '\r' && (file_.peek() == '\n' || file_.peek() == kEnd)) continue;
    field += static_cast<char>(c);
  }
  return c == ',';
}

bool CsvReader::read_row(std::vector<std::string>& fields) {
  while (file_.peek() == '\n' || file_.peek() == '\r') get();  // blank lines
  row_line_ = line_;
  if (file_.peek() == kEnd) return false;
  fields.clear();
  for (bool more = true; more;) {
    fields.emplace_back();
    more = read_field(fields.back());
    if (const auto bad = utf8_error(fields.back()))
      fail(str_cat("field ", fields.size(), " is not valid UTF-8 at its byte ", *bad));
  }
  return true;
}

bool CsvReader::next(std::vector<std::string>& fields) {
  if (!read_row(fields)) return false;
  if (fields.size() != header_.size())
    fail(str_cat("found ", fields.size(), " fields where the header has ", header_.size()));
  return true;
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

}  // namespace attune
