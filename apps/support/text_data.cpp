#include "apps/support/text_data.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>

#include "base/check.h"
#include "engine/io/csv.h"
#include "models/hf_config.h"

namespace attune {
namespace {

constexpr std::int64_t kMostClasses = 100000;

// The label as an integer in [0, kMostClasses), or -1.
std::int64_t class_number(const std::string& label) {
  std::int64_t number = -1;
  const auto [end, error] = std::from_chars(label.data(), label.data() + label.size(), number);
  const bool whole = error == std::errc() && end == label.data() + label.size();
  return whole && number >= 0 && number < kMostClasses ? number : -1;
}

}  // namespace

void TextTable::keep_first(std::int64_t rows) {
  if (rows == 0 || static_cast<std::size_t>(rows) >= texts.size()) return;
  for (auto* column : {&texts, &labels, &places}) column->resize(static_cast<std::size_t>(rows));
}

TextTable read_text_table(const std::string& path, const TextColumns& columns) {
  CsvReader reader(path);
  const std::size_t text = reader.column(columns.text), label = reader.column(columns.label);
  TextTable table;
  table.path = path;
  std::vector<std::string> fields;
  while (reader.next(fields)) {
    table.texts.push_back(std::move(fields[text]));
    table.labels.push_back(std::move(fields[label]));
    table.places.push_back(reader.where());
  }
  CHECK(!table.texts.empty(), path, ": there are no rows below the header");
  return table;
}

TextSplits read_text_splits(const std::string& folder, const TextColumns& columns) {
  const auto read = [&](const char* name) {
    const std::filesystem::path path = std::filesystem::path(folder) / name;
    if (!std::filesystem::exists(path))
      throw IoError(path.string(),
                    "no such file; --data names a folder with train.csv, validation.csv and test.csv "
                    "(for the IMDb reviews: prepare_imdb --output DIR)");
    return read_text_table(path.string(), columns);
  };
  return {read("train.csv"), read("validation.csv"), read("test.csv")};
}

std::vector<std::string> Classes::names_or_default() const {
  return complete_label_names(names, count);
}

Classes find_classes(const TextTable& training, std::int64_t at_least) {
  Classes classes;
  const bool integers =
      std::ranges::all_of(training.labels, [](const std::string& label) { return class_number(label) >= 0; });
  if (integers) {
    std::int64_t largest = 0;
    for (const std::string& label : training.labels) largest = std::max(largest, class_number(label));
    classes.count = std::max(largest + 1, at_least);
    return classes;
  }
  for (std::size_t i = 0; i < training.labels.size(); ++i)
    CHECK(!training.labels[i].empty(), training.places[i], ": the label is empty");
  const std::set<std::string> names(training.labels.begin(), training.labels.end());
  classes.names.assign(names.begin(), names.end());
  classes.count = static_cast<std::int64_t>(names.size());
  CHECK(classes.count >= 2, training.path, ": every label is '", *names.begin(), "'; at least two classes are needed");
  return classes;
}

Dataset make_dataset(const TextTable& table, const Classes& classes, const Tokenizer& tokenizer,
                     std::int64_t max_length) {
  std::vector<std::int32_t> labels;
  for (std::size_t i = 0; i < table.labels.size(); ++i)
    labels.push_back(parse_label(table.labels[i], classes.count, classes.names, table.places[i]));
  return Dataset::from(table.path, tokenizer.encode_batch(table.texts, {.max_length = max_length}),
                       Tensor::from(labels, {static_cast<std::int64_t>(labels.size())}));
}

}  // namespace attune
