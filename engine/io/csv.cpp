#include "engine/io/csv.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/printable.h"
#include "base/utf8.h"

namespace attune {
namespace {

// Takes the fields of CSV from the bytes of one row.
class FieldCutter {
 public:
  // `unquoted`: room for as many bytes as the row has.
  FieldCutter(const char* begin, const char* end, char* unquoted) : at_(begin), end_(end), unquoted_(unquoted) {}

  // The next field, and whether another follows. Throws Error that says what is wrong.
  std::pair<std::string_view, bool> take() {
    const std::string_view field = at_ < end_ && *at_ == '"' ? take_quoted() : take_plain();
    const bool more = at_ < end_ && *at_ == ',';
    if (at_ < end_) ++at_;
    return {field, more};
  }

 private:
  bool at_line_end(const char* at) const { return at == end_ || *at == '\n'; }

  std::string_view take_plain() {
    const char* const begin = at_;
    while (at_ < end_ && *at_ != ',' && *at_ != '\n' && *at_ != '"') ++at_;
    CHECK(at_ == end_ || *at_ != '"', "a quote stands inside an unquoted field");
    const bool carriage_return = at_line_end(at_) && at_ > begin && at_[-1] == '\r';
    return {begin, static_cast<std::size_t>(at_ - begin - (carriage_return ? 1 : 0))};
  }

  std::string_view take_quoted() {
    const char* part = ++at_;  // what follows the last quote
    const char* const whole = unquoted_;
    for (;;) {
      at_ =
          static_cast<const char*>(at_ < end_ ? std::memchr(at_, '"', static_cast<std::size_t>(end_ - at_)) : nullptr);
      CHECK(at_ != nullptr, "the quote of a field is never closed");
      ++at_;
      if (at_ == end_ || *at_ != '"') break;
      unquoted_ = std::copy(part, at_, unquoted_);  // with one of two quotes
      part = ++at_;
    }
    const char* const close = at_ - 1;
    if (at_ < end_ && *at_ == '\r' && at_line_end(at_ + 1)) ++at_;
    CHECK(at_line_end(at_) || *at_ == ',', "a quoted field is followed by '", printable(std::string(1, *at_)),
          "' where a comma or the end of the line is needed");
    if (whole == unquoted_) return {part, close};
    unquoted_ = std::copy(part, close, unquoted_);
    return {whole, unquoted_};
  }

  const char *at_, *end_;
  char* unquoted_;
};

// A field of TSV without the quotes around it, if it is quoted as a whole and every quote inside is doubled.
std::string_view unquoted(std::string_view field, char*& scratch) {
  if (field.size() < 2 || field.front() != '"' || field.back() != '"') return field;
  const std::string_view inner = field.substr(1, field.size() - 2);
  char* to = scratch;
  for (std::size_t i = 0; i < inner.size(); ++i) {
    if (inner[i] == '"' && (++i == inner.size() || inner[i] != '"')) return field;
    *to++ = inner[i];
  }
  return {std::exchange(scratch, to), to};
}

void add_field(std::string_view field, std::vector<std::string_view>& fields) {
  const auto bad = utf8_error(field);
  CHECK(!bad, "field ", fields.size() + 1, " is not valid UTF-8 at its byte ", *bad);
  fields.push_back(field);
}

}  // namespace

void SeparatedTable::read_header() {
  TableRows rows;
  CHECK(read(rows, 1), path_, ": the file is empty; a header row is needed");
  std::vector<std::string_view> fields;
  std::string scratch;
  rows.parse(0, fields, scratch);
  header_.assign(fields.begin(), fields.end());
  blank_rows_ = header_.size() == 1;
}

void SeparatedTable::parse(std::string_view bytes, std::int64_t number, std::vector<std::string_view>& fields,
                           std::string& scratch) const {
  if (scratch.size() < bytes.size()) scratch.resize(bytes.size());
  fields.clear();
  try {
    cut(bytes, scratch.data(), fields);
    CHECK(header_.empty() || fields.size() == header_.size(), "found ", fields.size(), " fields where the header has ",
          header_.size());
  } catch (const Error& error) {
    throw Error(str_cat(where(number), ": ", error.what()));
  }
  if (chosen_.empty()) return;
  const auto all = static_cast<std::ptrdiff_t>(fields.size());
  for (const std::size_t column : chosen_) fields.push_back(std::string_view(fields[column]));
  fields.erase(fields.begin(), fields.begin() + all);
}

CsvReader::CsvReader(const std::string& path) : SeparatedTable(path, true) {
  read_header();
}

void CsvReader::cut(std::string_view row, char* scratch, std::vector<std::string_view>& fields) const {
  FieldCutter cutter(row.data(), row.data() + row.size(), scratch);
  for (bool more = true; more;) {
    const auto [field, follows] = cutter.take();
    more = follows;
    add_field(field, fields);
  }
}

TsvReader::TsvReader(const std::string& path) : SeparatedTable(path, false) {
  read_header();
}

void TsvReader::cut(std::string_view row, char* scratch, std::vector<std::string_view>& fields) const {
  std::string_view rest = row.substr(0, row.find('\n'));
  if (rest.ends_with('\r')) rest.remove_suffix(1);
  for (bool more = true; more;) {
    const std::size_t end = std::min(rest.find('\t'), rest.size());
    more = end < rest.size();
    const std::string_view field = rest.substr(0, end);
    rest.remove_prefix(end + (more ? 1 : 0));
    add_field(unquoted(field, scratch), fields);
  }
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
