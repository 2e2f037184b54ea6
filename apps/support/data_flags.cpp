#include "apps/support/data_flags.h"

#include <filesystem>

#include "apps/support/command_line.h"
#include "base/check.h"
#include "base/input_file.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

// The path of a table. Throws IoError if nothing is there, or something that cannot be read twice.
std::string present(const std::string& path, const std::string& advice) {
  if (!fs::exists(path)) throw IoError(path, "no such file" + advice);
  if (!fs::is_directory(path)) check_regular(path);
  return path;
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
  app.add_option("--validation", validation, "Validation data, in any of these forms")->group("Data")->needs(training);
  app.add_option("--test", test, "Test data, in any of these forms")->group("Data")->needs(training);
  app.add_option("--text_column", columns.text, "Column of the texts")->group("Data")->capture_default_str();
}

SplitPaths DataFlags::paths() const {
  if (train.empty()) {
    const auto find = [&](const char* name) {
      return present((fs::path(data) / name).string(),
                     "; --data names a folder with train.csv, validation.csv and test.csv (for the IMDb reviews: "
                     "prepare_imdb --output DIR), --train a file or a folder of texts");
    };
    return {find("train.csv"), find("validation.csv"), find("test.csv")};
  }
  if (validation.empty() || test.empty()) throw UsageError("--train needs --validation and --test");
  return {present(train, ""), present(validation, ""), present(test, "")};
}

}  // namespace attune
