#include "engine/io/table.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/input_file.h"
#include "base/join.h"
#include "base/printable.h"
#include "engine/io/csv.h"
#include "engine/io/files.h"
#include "engine/io/jsonl.h"
#include "engine/io/text_folder.h"

namespace attune {
namespace {

// Bytes of rows that are read together.
constexpr std::size_t kBlock = std::size_t{2} << 20;

// The place of the first `c` in bytes [from, to), or `to`.
std::size_t find(std::string_view bytes, char c, std::size_t from, std::size_t to) {
  const void* at = from < to ? std::memchr(bytes.data() + from, c, to - from) : nullptr;
  return at == nullptr ? to : static_cast<std::size_t>(static_cast<const char*>(at) - bytes.data());
}

// Finds where rows begin and end, in bytes that grow at their end. A quote, where quotes count, opens or closes a
// quoted part of a row, in which a line end ends nothing. Blank lines belong to no row, or are rows.
class RowCutter {
 public:
  RowCutter(std::int64_t max_rows, bool quotes, bool blank_rows)
      : max_rows_(static_cast<std::size_t>(max_rows)), quotes_(quotes), blank_rows_(blank_rows) {}

  // Continues to the end of the bytes; true if there are enough rows, or the last one has a misplaced quote. What
  // follows the last of enough rows stays.
  bool cut(std::string_view bytes) {
    const std::size_t size = bytes.size();
    std::size_t line_end = find(bytes, '\n', at_, size);  // the first from at_ on
    while (at_ < size) {
      if (!open_) {
        if (!blank_rows_ && (bytes[at_] == '\n' || bytes[at_] == '\r')) {
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
      const std::size_t quote = quotes_ ? find(bytes, '"', at_, line_end) : line_end;
      at_ = std::min(quote + 1, size);
      quoted_ = quote < line_end;
      open_ = quoted_ || line_end == size;
      if (!open_) {
        end_ = at_;
        if (begins_.size() == max_rows_) return true;
      }
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
  bool quotes_, blank_rows_;
  std::vector<std::size_t> begins_;
  std::size_t at_ = 0, end_ = 0;
  bool open_ = false, quoted_ = false;  // at_ is inside a row, inside quotes
  bool misplaced_quote_ = false;
};

}  // namespace

std::string_view TableRows::bytes_of(std::size_t row) const {
  const std::size_t begin = rows_[row].begin, end = row + 1 < rows_.size() ? rows_[row + 1].begin : bytes_.size();
  return std::string_view(bytes_).substr(begin, end - begin);
}

void TableRows::parse(std::int64_t row, std::vector<std::string_view>& fields, std::string& scratch) const {
  const auto i = static_cast<std::size_t>(row);
  table_->parse(bytes_of(i), rows_[i].number, fields, scratch);
}

std::string TableRows::where(std::int64_t row) const {
  return table_->where(rows_[static_cast<std::size_t>(row)].number);
}

std::size_t Table::column(const std::string& name) const {
  const auto found = std::ranges::find(header_, name);
  if (found != header_.end()) {
    CHECK(std::find(found + 1, header_.end(), name) == header_.end(), path_, ": there are two columns '", name, "'");
    return static_cast<std::size_t>(found - header_.begin());
  }
  throw Error(str_cat(path_, ": there is no column '", name, "'; the columns are ",
                      join(header_, [](const std::string& column) { return attune::quoted(printable(column)); })));
}

void Table::choose(const std::vector<std::string>& names) {
  chosen_.clear();
  for (const std::string& name : names) chosen_.push_back(column(name));
}

bool Table::next(std::vector<std::string>& fields) {
  if (row_ == rows_.size()) {
    row_ = 0;
    if (!read(rows_, std::numeric_limits<std::int64_t>::max())) return false;
  }
  rows_.parse(row_++, fields_, scratch_);
  fields.assign(fields_.begin(), fields_.end());
  return true;
}

LineTable::LineTable(const std::string& path, bool quotes) : Table(path), file_(path), quotes_(quotes) {
  file_.skip(kByteOrderMark);
}

bool LineTable::read(TableRows& rows, std::int64_t max_rows) {
  rows.table_ = this;
  std::string& bytes = rows.bytes_;
  bytes.assign(rest_);
  RowCutter cutter(max_rows, quotes_, blank_rows_);
  bool enough = false;
  while (!finished_ && !(enough = cutter.cut(bytes))) {
    const std::string_view more = file_.block();
    if (more.empty()) break;
    bytes.append(more);
    const std::size_t begin = cutter.begins().empty() ? 0 : cutter.begins().back();
    CHECK(bytes.size() - begin <= ByteReader::kMaxLine, path_, ":",
          line_ + std::count(bytes.data(), bytes.data() + begin, '\n'), ": a row is longer than ", ByteReader::kMaxLine,
          " bytes", quotes_ ? ", or its quote is never closed" : "");
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

LineTable::Line LineTable::peek() {
  TableRows first;
  CHECK(read(first, 1), path_, ": the file is empty");
  rest_.insert(0, first.bytes_);
  line_ = 1;
  return {std::string(first.bytes_of(0)), first.where(0)};
}

std::string LineTable::where(std::int64_t number) const {
  return str_cat(path_, ":", number);
}

std::unique_ptr<Table> open_table(const std::string& path) {
  if (is_folder(path)) return std::make_unique<TextFolder>(path);
  std::string end = std::filesystem::path(path).extension().string();
  std::ranges::transform(end, end.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (end == ".csv") return std::make_unique<CsvReader>(path);
  if (end == ".tsv") return std::make_unique<TsvReader>(path);
  if (end == ".jsonl" || end == ".ndjson" || end == ".json") return std::make_unique<JsonlTable>(path);
  throw Error(path + ": is neither a folder nor a file whose name ends with .csv, .tsv, .jsonl, .ndjson or .json");
}

std::vector<std::string> table_files(const std::string& path) {
  if (!is_folder(path)) return {path};
  return TextFolder(path).files();
}

}  // namespace attune
