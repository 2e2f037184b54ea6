#include "apps/support/row_split.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <numeric>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "base/math.h"
#include "base/philox.h"
#include "base/printable.h"
#include "engine/io/csv.h"
#include "engine/io/file_set.h"
#include "engine/io/files.h"
#include "engine/io/locked_folder.h"
#include "engine/io/table.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSplits = kSplitNames.size();
constexpr std::uint8_t kLeftOut = kSplits;  // the split of rows that no split has
constexpr double kNothing = -std::numeric_limits<double>::infinity();

// Counts rows.
class RowCount : public TextSink {
 public:
  void add(std::size_t part, std::string_view, std::string_view) override { ++parts_[part]; }
  void take(std::size_t part) override { rows_ += std::exchange(parts_[part], 0); }
  std::int64_t rows() const { return rows_; }

 private:
  std::array<std::int64_t, kParts> parts_{};
  std::int64_t rows_ = 0;
};

std::uint64_t random_number(std::uint64_t seed, std::uint32_t row) {
  const PhiloxBits bits = philox4x32(seed, {row, 0, kSplitStream, 0});
  return std::uint64_t{bits[1]} << 32 | bits[0];
}

std::string text_of(const SplitShares& shares) {
  return str_cat(shares[0], "/", shares[1], "/", shares[2]);
}

std::string file_of(std::uint8_t part) {
  return str_cat(kSplitNames[part], ".csv");
}

// Rows for a CSV file, which the caller commits after flush().
class CsvWriter {
 public:
  explicit CsvWriter(AtomicFile& file) : file_(&file) {}

  void row(const std::vector<std::string>& fields) {
    for (std::size_t i = 0; i < fields.size(); ++i) text_ += (i == 0 ? "" : ",") + csv_field(fields[i]);
    text_ += '\n';
    if (text_.size() > kBlock) flush();
  }
  void flush() {
    file_->write(text_);
    text_.clear();
  }

 private:
  static constexpr std::size_t kBlock = std::size_t{1} << 20;

  AtomicFile* file_;
  std::string text_;
};

}  // namespace

std::array<std::int64_t, 3> split_sizes(std::int64_t rows, const SplitShares& shares, SplitShares& owed) {
  std::array<std::int64_t, kSplits> out{};
  SplitShares left{};
  for (std::size_t i = 0; i < kSplits; ++i) {
    const double exact = static_cast<double>(rows) * shares[i];
    out[i] = static_cast<std::int64_t>(std::floor(exact));
    owed[i] += exact;
    left[i] = shares[i] == 0 ? kNothing : owed[i] - static_cast<double>(out[i]);
  }
  for (std::int64_t over = rows - out[0] - out[1] - out[2]; over > 0; --over) {
    const auto next = static_cast<std::size_t>(std::ranges::max_element(left) - left.begin());
    ++out[next];
    left[next] = kNothing;
  }
  for (std::size_t i = 0; i < kSplits; ++i) {
    std::int64_t& largest = *std::ranges::max_element(out);
    if (shares[i] == 0 || out[i] > 0 || largest < 2) continue;
    --largest;
    ++out[i];
  }
  for (std::size_t i = 0; i < kSplits; ++i) owed[i] -= static_cast<double>(out[i]);
  return out;
}

std::vector<std::uint8_t> deal_rows(std::span<const std::int32_t> classes, const SplitShares& shares,
                                    std::uint64_t seed) {
  const auto rows = narrow<std::uint32_t>(classes.size());
  std::vector<std::uint64_t> numbers(rows);
  for (std::uint32_t row = 0; row < rows; ++row) numbers[row] = random_number(seed, row);
  std::vector<std::uint32_t> order(rows);
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::sort(order, {}, [&](std::uint32_t row) { return std::tuple(classes[row], numbers[row], row); });
  std::vector<std::uint8_t> out(rows);
  SplitShares owed{};
  for (std::size_t begin = 0, end = 0; begin < rows; begin = end) {
    while (end < rows && classes[order[end]] == classes[order[begin]]) ++end;
    const auto sizes = split_sizes(static_cast<std::int64_t>(end - begin), shares, owed);
    std::size_t at = begin;
    for (std::uint8_t part = 0; part < kSplits; ++part)
      for (std::int64_t n = sizes[part]; n > 0; --n) out[order[at++]] = part;
  }
  return out;
}

std::vector<std::uint8_t> choose_rows(std::span<const std::uint8_t> parts, std::uint8_t part,
                                      std::span<const std::int32_t> classes, std::int64_t max_rows,
                                      std::uint64_t seed) {
  struct Row {
    double place;  // in its class, in [0, 1)
    std::int32_t of_class;
    std::uint64_t number;
    std::uint32_t row;
  };
  std::vector<Row> rows;
  for (std::uint32_t row = 0; row < parts.size(); ++row)
    if (parts[row] == part) rows.push_back({0, classes[row], random_number(seed, row), row});
  std::ranges::sort(rows, {}, [](const Row& row) { return std::tuple(row.of_class, row.number, row.row); });
  for (std::size_t begin = 0, end = 0; begin < rows.size(); begin = end) {
    while (end < rows.size() && rows[end].of_class == rows[begin].of_class) ++end;
    for (std::size_t i = begin; i < end; ++i)
      rows[i].place = static_cast<double>(i - begin) / static_cast<double>(end - begin);
  }
  std::ranges::stable_sort(rows, {}, &Row::place);
  std::vector<std::uint8_t> out(parts.begin(), parts.end());
  for (auto row = rows.begin() + std::min<std::int64_t>(max_rows, std::ssize(rows)); row != rows.end(); ++row)
    out[row->row] = kLeftOut;
  return out;
}

RowSplit::RowSplit(std::string path, const SplitShares& shares, std::uint64_t seed)
    : path_(std::move(path)), shares_(shares), seed_(seed) {}

std::string RowSplit::description() const {
  return str_cat(text_of(shares_), " with seed ", seed_);
}

json::Value RowSplit::exact() const {
  return json::Value::array({shares_[0], shares_[1], shares_[2], seed_});
}

std::span<const std::uint8_t> RowSplit::parts(const TextColumns& columns, const LabelReader& labels) {
  if (!parts_.empty()) return parts_;
  RowCount count;
  if (!labels.one_class()) {
    read_rows({path_}, columns, nullptr, count);
    classes_.resize(static_cast<std::size_t>(count.rows()));
    parts_ = deal_rows(classes_, shares_, seed_);
    return parts_;
  }
  ClassLabels all(labels.columns().front(), 2);
  read_rows({path_}, columns, &all, count);
  const Tensor classes = all.finish(path_);
  classes_.assign(classes.values<std::int32_t>().begin(), classes.values<std::int32_t>().end());
  parts_ = deal_rows(classes_, shares_, seed_);
  const std::vector<std::string> names = all.names();
  std::vector<std::array<std::int64_t, kSplits>> counts(names.size());
  for (std::size_t row = 0; row < parts_.size(); ++row) ++counts[static_cast<std::size_t>(classes_[row])][parts_[row]];
  for (std::size_t k = 0; k < names.size(); ++k) {
    const std::int64_t rows = counts[k][0] + counts[k][1] + counts[k][2];
    for (std::size_t i = 0; i < kSplits; ++i)
      CHECK(rows == 0 || shares_[i] == 0 || counts[k][i] > 0, path_, ": '", printable(names[k]), "' has ", rows,
            " rows: --split ", text_of(shares_), " leaves none for the ", kSplitNames[i], " split");
  }
  return parts_;
}

std::span<const std::uint8_t> RowSplit::chosen(std::uint8_t part, std::int64_t max_rows, const TextColumns& columns,
                                               const LabelReader& labels) {
  const std::span<const std::uint8_t> all = parts(columns, labels);
  if (max_rows == 0) return all;
  std::vector<std::uint8_t>& rows = chosen_[{part, max_rows}];
  if (rows.empty()) rows = choose_rows(all, part, classes_, max_rows, seed_);
  return rows;
}

std::string SplitSource::title() const {
  return split ? str_cat(path, " (", kSplitNames[part], ")") : path;
}

RowChoice SplitSource::rows(const TextColumns& columns, const LabelReader& labels, std::int64_t max_rows) const {
  RowChoice out{.path = path, .max_rows = max_rows, .part = part};
  if (split) out.parts = split->chosen(part, max_rows, columns, labels);
  return out;
}

void check_split_output(const std::string& folder, const SplitSources& sources) {
  prepare_output_folder(folder);
  for (const SplitSource& source : sources) {
    const fs::path path = fs::path(folder) / file_of(source.part);
    for (const SplitSource& other : sources) {
      std::error_code error;  // it need not exist
      CHECK(!fs::equivalent(path, other.path, error), "--split_output ", folder, ": ", path.string(),
            " is a file that the run reads");
    }
  }
}

void write_splits(const std::string& folder, const std::string& locked, const SplitSources& sources,
                  const TextColumns& columns, const LabelReader& labels) {
  std::error_code error;  // folders that are not there are not the same
  std::optional<LockedFolder> lock;
  if (locked.empty() || !fs::equivalent(folder, locked, error)) lock.emplace(folder);
  std::vector<std::string> names = {columns.text};
  if (!columns.pair.empty()) names.push_back(columns.pair);
  for (const std::string& name : labels.columns()) names.push_back(name);
  FileSet files(folder, file_of(0));  // no file of one split next to one of another
  std::vector<CsvWriter> out;         // by part
  for (std::uint8_t part = 0; part < kSplits; ++part) out.emplace_back(files.add(file_of(part))).row(names);
  std::set<const RowSplit*> written;
  for (const SplitSource& source : sources) {
    if (source.split && !written.insert(source.split.get()).second) continue;
    const std::span<const std::uint8_t> parts = source.rows(columns, labels, 0).parts;
    const auto table = open_table(source.path);
    table->choose(names);
    std::vector<std::string> fields;
    std::size_t row = 0;
    for (; table->next(fields); ++row) {
      CHECK(parts.empty() || row < parts.size(), source.path, " has changed while it was read");
      out[parts.empty() ? source.part : parts[row]].row(fields);
    }
    CHECK(parts.empty() || row == parts.size(), source.path, " has changed while it was read");
  }
  for (CsvWriter& file : out) file.flush();
  files.refuse_to_replace();
  files.commit();
}

}  // namespace attune
