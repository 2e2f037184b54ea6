// The data of a training program on the command line: three files or folders of texts, or one that is split.
#pragma once

#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include "apps/support/row_split.h"

namespace attune {

class CommandLine;

struct DataFlags {
  std::string data = ".", train, validation, test, split, split_seed, split_output;
  TextColumns columns = {.text = ""};

  void declare(CommandLine& app);
  /// Finds the column of the texts in the training data if no flag names it, and that of the labels if `labels` is one
  /// empty name: "text" and "label", or else the only column with a usual name, in any case; then prints a line to
  /// `notes`. No column of labels is needed if `labels` is empty. A column that a flag names is not found for another
  /// purpose. Throws Error listing the columns if there is none or several, UsageError if two flags name the same
  /// column.
  void find_columns(std::vector<std::string>& labels, std::ostream& notes = std::cout);
  /// The rows of the three splits. Prints a line if a file is split, by --split_seed or else by `seed`. Throws
  /// UsageError if the shares are wrong, IoError naming the first file that is missing.
  SplitSources sources(std::uint64_t seed) const;
  /// The seed that rows are dealt by, with --split_seed or without it. Throws UsageError if it is no number.
  std::uint64_t split_seed_or(std::uint64_t seed) const;

 private:
  SplitShares shares() const;
  /// The path of a split that has a file or folder of its own. Throws IoError if it is missing.
  std::string path(std::uint8_t part) const;
};

}  // namespace attune
