// What bench_train_step times: a model of a published shape with random weights, and a batch of random ids for it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/data/batch_form.h"
#include "engine/data/dataset.h"
#include "models/gpt2/gpt2.h"
#include "models/registry.h"

namespace CLI {
class App;
}

namespace attune {

struct CaseOptions {
  std::string model = "gpt";  // one of case_names(): gpt is of the shape below, the others are published
  Gpt2Config gpt{.n_embd = 256, .n_layer = 2, .n_head = 4, .n_inner = 0};  // n_inner 0: four times the width
  std::string folder;            // if not empty: its config.json and weights, in place of `model`
  std::string trainable_layers;  // empty: as the recipe trains the model
  std::int64_t batch_size = 8, length = 256;
  std::string lengths = "full";  // of the texts: full, or imdb
  bool dropout = true;           // as config.json has it, or none
  bool random = true;            // the weights, if there is no folder; otherwise as the model's layers begin

  /// The options of the model and of the batch's sizes.
  void declare(CLI::App& app);
};

/// gpt, gpt2, bert, distilbert, roberta-large, modernbert-base, modernbert-large.
std::vector<std::string> case_names();

struct StepCase {
  std::string description;  // of model and batch, equal for our program and its peer
  std::string trainable_layers;
  std::unique_ptr<Classifier> model;
  BatchForm form;  // as the training programs have it: encoders packed, GPT padded
  Dataset texts;   // with a label each
  /// Rows of the batch: padding counted, the extra rows of a packed batch not.
  std::int64_t rows = 0;
};

/// The same bits at every call with equal options. Throws UsageError if a name is unknown, and Error if the folder has no
/// such model or texts are longer than the model's positions.
StepCase make_case(const CaseOptions& options);

/// product_flops() of all rows of the batch.
double step_flops(const StepCase& step);

/// Writes the folder from which the peer starts: config.json, model.safetensors with these very weights, and batch.json
/// (ids, labels, padding, and the names of the trained tensors). Throws IoError.
void save_case(const StepCase& step, const std::string& folder);

}  // namespace attune
