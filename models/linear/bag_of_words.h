// A trained bag-of-words classifier as a folder:
//
//   config.json        {"model_type": "bag_of_words", "classes": [0, 1], "label_names": []}
//   vocabulary.json    ["00", "000", ...]: the words, column by column
//   model.safetensors  weight [outputs, words] and bias [outputs], float64: one output for two classes, else one
//                      per class
//
// The files are saved together (models/model_folder.h).
#pragma once

#include <string>
#include <vector>

#include "models/linear/logistic_regression.h"
#include "models/linear/word_table.h"

namespace attune {

struct BagOfWords {
  WordTable vocabulary;  // word i is column i
  LogisticRegression classifier;
  std::vector<std::string> label_names;  // by label; empty if labels are plain numbers
};

/// Writes the folder, made if missing. Throws IoError.
void save_bag_of_words(const BagOfWords& model, const std::string& folder);
/// Reads it back, bit for bit. Throws IoError, or Error naming the file that is not as above or does not fit the
/// others.
BagOfWords load_bag_of_words(const std::string& folder);

}  // namespace attune
