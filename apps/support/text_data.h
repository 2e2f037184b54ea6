// Labelled texts from the user's files, and their way into a Dataset.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/data/dataset.h"
#include "tokenizer/tokenizer.h"

namespace attune {

/// Columns of a CSV file.
struct TextColumns {
  std::string text = "text";
  std::string label = "label";
};

/// Texts of one file with the labels as they stand there.
struct TextTable {
  std::string path;
  std::vector<std::string> texts, labels, places;  // places: "file:line" of each row

  /// Drops all rows but the first `rows`; 0 keeps all.
  void keep_first(std::int64_t rows);
};

/// Reads a CSV file with a header row. Throws Error naming file and line of whatever is wrong with it.
TextTable read_text_table(const std::string& path, const TextColumns& columns);

/// The classes of a training table. Integers 0 .. n - 1 need no names; any other labels are names, numbered in
/// alphabetical order.
struct Classes {
  std::int64_t count = 2;
  std::vector<std::string> names;  // empty where labels are integers

  /// The names, or "LABEL_0", "LABEL_1", ... where there are none (the ecosystem's habit).
  std::vector<std::string> names_or_default() const;
};
Classes find_classes(const TextTable& training, std::int64_t at_least);

/// Tokenises every text, special tokens included, cut to max_length (0: whole).
Dataset make_dataset(const TextTable& table, const Classes& classes, const Tokenizer& tokenizer,
                     std::int64_t max_length);

/// The three splits of a folder: train.csv, validation.csv, test.csv.
struct TextSplits {
  TextTable train, validation, test;
};
TextSplits read_text_splits(const std::string& folder, const TextColumns& columns);

}  // namespace attune
