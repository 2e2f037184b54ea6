#include "engine/io/csv.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/input_file.h"
#include "base/join.h"
#include "base/printable.h"
#include "base/utf8.h"

namespace attune {
namespace {

// Bytes of rows that are read together.
constexpr std::size_t kBlock = std::size_t{2} << 20;

// The place of the first `c` in bytes [from, to), or `to`.
std::size_t find(std::string_view bytes, char c, std::size_t from, std::size_t to) {
  const void* at = from < to ? std::memchr(bytes.data() + from, c, to - from) : nullptr;
  return at == nullptr ? to : static_cast<std::size_t>(static_cast<const char*>(at) - bytes.data());
}

// Finds where rows begin and end, in bytes that grow at their end. A quote opens or closes a quoted part of a row, in
// which a line end ends nothing.
class RowCutter {
 public:
  explicit RowCutter(std::int64_t max_rows) : max_rows_(static_cast<std::size_t>(max_rows)) {}

  // Continues to the end of the bytes; true if there are enough rows, or the last one has a misplaced quote.
  bool cut(std::string_view bytes) {
    const std::size_t size = bytes.size();
    std::size_t line_end = find(bytes, '\n', at_, size);  // the first from at_ on
    while (at_ < size) {
      if (!open_) {
        if (bytes[at_] == '\n' || bytes[at_] == '\r') {  // blank lines
          ++at_;
          continue;
        }
        if (begins_.size() == max_rows_ || at_ >= kBlock) return true;
        begins_.push_back(at_);
        open_ = true;
      }
      if (quoted_) {
        at_ = find(bytes, '"', at_, size);
        if (at_ == size) break;
        ++at_;
        quoted_ = false;
        continue;
      }
      if (line_end < at_) line_end = find(bytes, '\n', at_, size);
      const std::size_t quote = find(bytes, '"', at_, line_end);
      at_ = std::min(quote + 1, size);
      quoted_ = quote < line_end;
      open_ = quoted_ || line_end == size;
      if (!open_) end_ = at_;
      // A quote that is neither the first of a field nor doubled: the row is wrong, and what follows is not needed.
      if (quoted_ && quote != begins_.back() && bytes[quote - 1] != ',' && bytes[quote - 1] != '"') {
        end_ = at_;
        misplaced_quote_ = true;
        return true;
      }
    }
    return false;
  }

  const std::vector<std::size_t>& begins() const { return begins_; }
  // The end of the last whole row.
  std::size_t end() const { return end_; }
  bool misplaced_quote() const { return misplaced_quote_; }

 private:
  std::size_t max_rows_;
  std::vector<std::size_t> begins_;
  std::size_t at_ = 0, end_ = 0;
  bool open_ = false, quoted_ = false;  // at_ is inside a row, inside quotes
  bool misplaced_quote_ = false;
};

// Takes fields from the bytes of one row.
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

}  // namespace

void CsvRows::parse(std::int64_t row, std::vector<std::string_view>& fields, std::string& unquoted) const {
  const auto i = static_cast<std::size_t>(row);
  const std::size_t begin = rows_[i].begin, end = i + 1 < rows_.size() ? rows_[i + 1].begin : bytes_.size();
  if (unquoted.size() < end - begin) unquoted.resize(end - begin);
  fields.clear();
  try {
    FieldCutter cutter(bytes_.data() + begin, bytes_.data() + end, unquoted.data());
    for (bool more = true; more;) {
      const auto [field, follows] = cutter.take();
      more = follows;
      const auto bad = utf8_error(field);
      CHECK(!bad, "field ", fields.size() + 1, " is not valid UTF-8 at its byte ", *bad);
      fields.push_back(field);
    }
    CHECK(columns_ == 0 || fields.size() == columns_, "found ", fields.size(), " fields where the header has ",
          columns_);
  } catch (const Error& error) {
    throw Error(where(row) + ": " + error.what());
  }
}

std::string CsvRows::where(std::int64_t row) const {
  return str_cat(path_, ":", rows_[static_cast<std::size_t>(row)].line);
}

CsvReader::CsvReader(const std::string& path) : path_(path), file_(path) {
  file_.skip(kByteOrderMark);
  CHECK(read(rows_, 1), path_, ": the file is empty; a header row is needed");
  rows_.parse(0, fields_, unquoted_);
  header_.assign(fields_.begin(), fields_.end());
  row_ = 1;
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

bool CsvReader::read(CsvRows& rows, std::int64_t max_rows) {
  rows.path_ = path_;
  rows.columns_ = header_.size();
  std::string& bytes = rows.bytes_;
  bytes.assign(rest_);
  RowCutter cutter(max_rows);
  bool enough = false;
  while (!finished_ && !(enough = cutter.cut(bytes))) {
    const std::string_view more = file_.block();
    if (more.empty()) break;
    bytes.append(more);
  }
  const std::size_t end = enough ? cutter.end() : bytes.size();
  finished_ = finished_ || cutter.misplaced_quote();
  rest_.assign(bytes, finished_ ? bytes.size() : end);
  bytes.resize(end);
  rows.rows_.clear();
  std::size_t counted = 0;
  const auto count_to = [&](std::size_t at) {
    line_ += std::count(bytes.data() + counted, bytes.data() + at, '\n');
    counted = at;
  };
  for (const std::size_t begin : cutter.begins()) {
    count_to(begin);
    rows.rows_.push_back({begin, line_});
  }
  count_to(end);
  return rows.size() > 0;
}

bool CsvReader::next(std::vector<std::string>& fields) {
  if (row_ == rows_.size()) {
    row_ = 0;
    if (!read(rows_, std::numeric_limits<std::int64_t>::max())) return false;
  }
  rows_.parse(row_++, fields_, unquoted_);
  fields.assign(fields_.begin(), fields_.end());
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
