// The texts and labels of a table, read for a saved model: the model decides which labels there are.
#pragma once

#include <string>
#include <vector>

#include "apps/support/data_flags.h"
#include "apps/support/predictor.h"
#include "engine/tensor/tensor.h"

namespace attune {

class CommandLine;

struct LabelledTexts {
  std::vector<std::string> texts, pairs;  // pairs: the second texts; empty if there are none
  Tensor labels;                          // as the model's task has them
  std::vector<std::string> groups;        // of the rows; empty if no column was named
};

struct LabelledTextFlags {
  std::string data;
  TextColumns columns = {.text = ""};
  std::string label_column, label_columns, label_delimiter = ",";
  std::string group_column;  // empty: none

  void declare(CommandLine& app);
  /// Without a flag that names columns of labels or a delimiter, several labels or numbers are read from columns that are
  /// named as they are, if there is one for each. Prints columns that were found by their usual names to `notes`. Throws
  /// UsageError if --label_columns or --label_delimiter does not fit the model's outputs; Error naming file and line of
  /// the first bad row or of a label that the model does not have, with the nearest one that it has; IoError.
  LabelledTexts read(const Predictor& model, std::ostream& notes) const;
};

}  // namespace attune
