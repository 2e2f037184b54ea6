#include "apps/support/data_flags.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "apps/support/command_line.h"
#include "base/check.h"
#include "base/input_file.h"
#include "base/join.h"
#include "base/printable.h"
#include "base/whole_number.h"
#include "engine/io/files.h"
#include "engine/io/table.h"
#include "engine/io/text_folder.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

// Of a sum of three decimal numbers.
constexpr double kMaxError = 1e-9;

using Names = std::vector<std::string>;
// What columns are usually called; the first is the usual one.
const Names kTexts = {"text", "sentence", "review", "content", "comment", "message", "body", "document"};
const Names kLabels = {"label", "class", "category", "target", "sentiment", "y"};

std::string list_of(const Names& usual) {
  return join(std::span(usual).subspan(1));
}

std::string lower_case(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

bool contains(const Names& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

// The column with one of these names, but none that is `taken`. `what` and `flag` are for the error.
std::string find_column(const std::string& path, const Names& header, const Names& usual, const Names& taken,
                        const char* what, const char* flag) {
  Names found;
  const char* none = ": no column";
  for (const std::string& name : header) {
    if (!contains(usual, lower_case(name))) continue;
    if (contains(taken, name))
      none = ": no other column";
    else
      found.push_back(name);
  }
  if (contains(found, usual.front())) return usual.front();
  if (found.size() == 1) return found.front();
  const auto named = [](const std::string& name) { return attune::quoted(printable(name)); };
  throw Error(str_cat(path,
                      found.empty() ? str_cat(none, " is called ", usual.front(), ", or ", list_of(usual))
                                    : str_cat(": several columns may have ", what),
                      "; ", flag, " names one of ", join(found.empty() ? header : found, named)));
}

// Throws UsageError if two flags name the same column.
void check_distinct(const TextColumns& columns, const Names& labels) {
  const auto refuse = [](const char* flag, const char* other, const std::string& column) {
    throw UsageError(str_cat(flag, " and ", other, " are one column, ", printable(column)));
  };
  if (!columns.pair.empty() && columns.pair == columns.text)
    refuse("--text_column", "--text_pair_column", columns.pair);
  const char* flag = labels.size() > 1 ? "--label_columns" : "--label_column";
  for (const std::string& label : labels) {
    if (label.empty()) continue;
    if (label == columns.text) refuse("--text_column", flag, label);
    if (label == columns.pair) refuse("--text_pair_column", flag, label);
  }
}

// Throws IoError if nothing is at a path, or something that cannot be read twice.
void check_present(const std::string& path, const std::string& advice) {
  if (is_folder(path)) return;
  if (!fs::exists(path)) throw IoError(path, "no such file" + advice);
  check_regular(path);
}

}  // namespace

void DataFlags::declare(CommandLine& app) {
  Flag* folder = app.add_option("--data", data, "Folder with train.csv, validation.csv and test.csv")
                     ->group("Data")
                     ->capture_default_str();
  Flag* training = app.add_option("--train", train,
                                  "Training data instead of --data: a .csv, .tsv or .jsonl file (also .json, .ndjson), "
                                  "or a folder with a folder of .txt files for each class")
                       ->group("Data")
                       ->excludes(folder);
  app.add_option("--validation", validation, "Validation data, in any of these forms; if not given, a part of --train")
      ->group("Data")
      ->needs(training);
  app.add_option("--test", test, "Test data, in any of these forms; if not given, a part of --train")
      ->group("Data")
      ->needs(training);
  app.add_option("--split", split,
                 "Shares of --train for training, validation and test: three numbers that sum to 1, 0 for data with a "
                 "file of its own (default: 0.8/0.1/0.1). Rows are chosen by --split_seed, of each class in these "
                 "shares")
      ->group("Data")
      ->needs(training);
  app.add_option("--split_seed", split_seed, "Seed that the rows of --split are chosen by (default: --seed)")
      ->group("Data")
      ->needs(training);
  app.add_option(
         "--split_output", split_output,
         "Folder to write train.csv, validation.csv and test.csv of this run to, for --data; other files of these "
         "names are not replaced")
      ->group("Data")
      ->needs(training);
  app.add_option("--text_column", columns.text,
                 "Column of the texts (default: text, or the only one called " + list_of(kTexts) + ")")
      ->group("Data");
}

SplitShares DataFlags::shares() const {
  const std::array<bool, 3> has_file = {false, !validation.empty(), !test.empty()};
  if (split.empty()) {
    if (has_file[1] && has_file[2]) return {1, 0, 0};
    if (has_file[1] || has_file[2]) return has_file[1] ? SplitShares{0.9, 0, 0.1} : SplitShares{0.9, 0.1, 0};
    return {0.8, 0.1, 0.1};
  }
  SplitShares out{};
  const char *at = split.data(), *const end = at + split.size();
  bool good = true;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto [stop, error] = std::from_chars(at, end, out[i]);
    good = good && error == std::errc() && out[i] >= 0 && out[i] <= 1 &&
           (i == 2 ? stop == end : stop < end && *stop == '/');
    if (!good) throw UsageError("--split " + split + ": is not three shares from 0 to 1, as in 0.8/0.1/0.1");
    at = stop + 1;
  }
  const double sum = out[0] + out[1] + out[2];
  if (std::abs(sum - 1) > kMaxError)
    throw UsageError(str_cat("--split ", split, ": the shares sum to ", sum, ", not to 1"));
  for (std::size_t i = 0; i < out.size(); ++i)
    if (has_file[i] != (out[i] == 0))
      throw UsageError(str_cat("--split ", split, ": the share of the ", kSplitNames[i],
                               has_file[i] ? " split must be 0, because it has a file of its own"
                                           : " split must not be 0, because it has no other file"));
  return out;
}

std::string DataFlags::path(std::uint8_t part) const {
  if (!train.empty()) {
    const std::string& given = part == 0 ? train : part == 1 ? validation : test;
    check_present(given, "");
    return given;
  }
  const std::string path = (fs::path(data) / str_cat(kSplitNames[part], ".csv")).string();
  check_present(path,
                "; --data names a folder with train.csv, validation.csv and test.csv (for the IMDb reviews: "
                "prepare_imdb --output DIR), --train a file or a folder of texts");
  return path;
}

void DataFlags::find_columns(Names& labels, std::ostream& notes) {
  check_distinct(columns, labels);  // columns that are found are others than those
  const bool text_given = !columns.text.empty(), labels_given = labels.empty() || !labels.front().empty();
  if (text_given && labels_given) return;
  const std::string training = path(0);
  const Names of_folder = {kTexts.front(), kLabels.front()};  // without a list of its files
  const Names header = is_folder(training) ? of_folder : open_table(training)->header();
  Names taken = labels;
  taken.push_back(columns.pair);
  if (!text_given) columns.text = find_column(training, header, kTexts, taken, "the texts", "--text_column");
  taken.push_back(columns.text);
  if (!labels_given) labels = {find_column(training, header, kLabels, taken, "the labels", "--label_column")};
  std::vector<std::string> parts;
  if (!text_given && columns.text != kTexts.front()) parts.push_back("texts from " + printable(columns.text));
  if (!labels_given && labels.front() != kLabels.front()) parts.push_back("labels from " + printable(labels.front()));
  if (!parts.empty()) notes << "Columns of " << training << ": " << join(parts) << std::endl;
}

std::uint64_t DataFlags::split_seed_or(std::uint64_t seed) const {
  if (split_seed.empty()) return seed;
  const std::optional<std::uint64_t> given = whole_number<std::uint64_t>(split_seed);
  if (!given) throw UsageError("--split_seed '" + split_seed + "' is not a whole number from 0 on that fits");
  return *given;
}

SplitSources DataFlags::sources(std::uint64_t seed) const {
  const SplitShares shares_of = train.empty() ? SplitShares{1, 0, 0} : shares();
  SplitSources out;
  for (std::uint8_t part = 0; part < out.size(); ++part) {
    const bool own = part == 0 || shares_of[part] == 0;
    out[part] = {own ? path(part) : out[0].path, part, nullptr};
    if (own && is_folder(out[part].path))
      if (const std::int64_t skipped = TextFolder(out[part].path).skipped(); skipped > 0)
        std::cerr << "warning: " << out[part].path << ": names that do not end in .txt are skipped: " << skipped
                  << std::endl;
  }
  if (shares_of[0] == 1) return out;
  const auto dealt = std::make_shared<RowSplit>(train, shares_of, split_seed_or(seed));
  for (SplitSource& source : out)
    if (shares_of[source.part] > 0) source.split = dealt;
  std::cout << "Split of " << train << " (--split): " << dealt->description() << std::endl;
  return out;
}

}  // namespace attune
