// The common part of both training programs, after model, tokenizer and data are loaded: freeze, train, evaluate, save.
#pragma once

#include <string>
#include <vector>

#include "apps/support/labels.h"
#include "apps/support/row_split.h"
#include "apps/support/run_file.h"
#include "apps/support/training_flags.h"
#include "engine/data/batch_form.h"
#include "engine/data/dataset.h"
#include "models/classifier.h"
#include "tokenizer/tokenizer.h"

namespace attune {

struct FineTuneJob {
  const Classifier& model;
  const Task& task;
  const Tokenizer& tokenizer;
  const Dataset& train;
  const Dataset& validation;
  const Dataset& test;
  const SplitSource& test_source;  // of `test`
  const LabelReader& labels;       // that has read the splits
  std::int64_t context_length;     // tokens to which texts were cut
  BatchForm form;
  std::vector<std::string> label_names;
  std::string pretrained = {};                // folder of the pretrained weights; empty: they were random
  std::string repository = {};                // whose weights these are, if the folder is in the Hugging Face cache
  std::vector<std::string> more_inputs = {};  // paths of other files that the program has read
  OptionValues taken = {};                    // options, from the folder: RunSummary::taken
};

/// Trains, prints the reference's lines, and saves to --output, which the caller has locked, if it is given. Returns
/// the exit code: 0, or kInterruptedExit after Ctrl-C.
int fine_tune(const FineTuneJob& job, const TrainingFlags& flags);

}  // namespace attune
