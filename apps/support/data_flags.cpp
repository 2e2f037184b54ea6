#include "apps/support/data_flags.h"

#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <memory>

#include "apps/support/command_line.h"
#include "base/check.h"
#include "base/input_file.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

// Of a sum of three decimal numbers.
constexpr double kMaxError = 1e-9;

// Throws IoError if nothing is at a path, or something that cannot be read twice.
void check_present(const std::string& path, const std::string& advice) {
  if (!fs::exists(path)) throw IoError(path, "no such file" + advice);
  if (!fs::is_directory(path)) check_regular(path);
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
                 "file of its own (default: 0.8/0.1/0.1). Rows are chosen by --seed, of each class in these shares")
      ->group("Data")
      ->needs(training);
  app.add_option("--split_output", split_output,
                 "Folder to write train.csv, validation.csv and test.csv of this run to, for --data")
      ->group("Data")
      ->needs(training);
  app.add_option("--text_column", columns.text, "Column of the texts")->group("Data")->capture_default_str();
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

SplitSources DataFlags::sources(std::uint64_t seed) const {
  if (train.empty()) {
    const auto find = [&](std::uint8_t part) {
      const std::string path = (fs::path(data) / str_cat(kSplitNames[part], ".csv")).string();
      check_present(path,
                    "; --data names a folder with train.csv, validation.csv and test.csv (for the IMDb reviews: "
                    "prepare_imdb --output DIR), --train a file or a folder of texts");
      return SplitSource{path, part};
    };
    return {find(0), find(1), find(2)};
  }
  const SplitShares shares_of = shares();
  for (const std::string& path : {train, validation, test})
    if (!path.empty()) check_present(path, "");
  SplitSources out = {SplitSource{train, 0}, {validation, 1}, {test, 2}};
  if (shares_of[0] == 1) return out;
  const auto dealt = std::make_shared<RowSplit>(train, shares_of, seed);
  for (SplitSource& source : out)
    if (shares_of[source.part] > 0) source = {train, source.part, dealt};
  std::cout << "Split of " << train << " (--split): " << dealt->description() << std::endl;
  return out;
}

}  // namespace attune
