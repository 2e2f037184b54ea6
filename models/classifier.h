// The interface of every sequence classifier: tokens in, one row of logits per sequence out. Loading, saving, freezing
// and initial values follow from its table of parameters.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/torch_random.h"
#include "engine/nn/parameter_table.h"
#include "engine/nn/token_batch.h"
#include "json/value.h"

namespace attune {

/// The names in a family's files: they may come without this prefix, and tensors whose names (without it) match one of
/// these regular expressions are skipped: buffers, and heads of other tasks.
struct HfFiles {
  std::string prefix;  // e.g. "transformer."
  std::vector<std::string> ignored;
};

class Classifier : public Module {
 public:
  /// Logits [B, L] of a batch.
  virtual Variable forward(const TokenBatch& batch, const ForwardPass& pass) const = 0;
  /// The hidden states [N, C] of the last block, after the final norm if the family has one: the input of the head.
  /// Heads see one row per sequence and are float32 in every precision.
  virtual Variable hidden_states(const TokenBatch& batch, const ForwardPass& pass) const = 0;

  const ParameterTable& table() const { return table_; }
  /// ParameterTable::add_low_rank.
  void add_low_rank(const LowRankSpec& spec, TorchGenerator& generator) { table_.add_low_rank(spec, generator); }
  void for_each_parameter(const Visitor& visit) const final { table_.for_each_parameter(visit); }
  virtual HfFiles hf_files() const = 0;
  /// Random `values` for one row of the table, as the reference library initializes tensors that a checkpoint lacks.
  virtual void initialize_row(const ParameterRow& row, const Tensor& values, TorchGenerator& generator) const = 0;
  /// A new last layer, as the recipe creates it before every fine-tuning run: a new torch.nn.Linear (DistilBERT: the
  /// initial values of the reference library).
  virtual void initialize_head(TorchGenerator& generator) const = 0;
  /// Last changes to the tensors of a checkpoint, by name, if the Hugging Face class differs from this one. Tensors are
  /// replaced or removed; the bytes of those that are given, which may be the model's, stay as they are.
  virtual void adapt_for_export(std::map<std::string, Tensor>& tensors) const { static_cast<void>(tensors); }

  virtual std::int64_t num_labels() const = 0;
  virtual std::int64_t vocab_size() const = 0;
  /// The id that fills padded rows.
  virtual std::int32_t pad_id() const = 0;
  /// The longest sequence that the positions allow.
  virtual std::int64_t max_length() const = 0;
  /// Segments of a pair of texts that the model has a row for; 0: it does not read them.
  virtual std::int64_t segments() const { return 0; }
  /// config.json of a folder with this model, for the Hugging Face classes, without the names of the classes and the
  /// keys that the application adds.
  virtual json::Value hf_config() const = 0;

 protected:
  explicit Classifier(ParameterTable table) : table_(std::move(table)) {}

  ParameterTable table_;  // families make their layers through it
};

/// Makes exactly the parameters trainable that are trained under this choice.
void set_trainable(const Classifier& model, TrainableLayers layers);
/// Makes exactly the low-rank changes trainable, and the layers after the blocks that a pretrained file may lack.
void set_low_rank_trainable(const Classifier& model);

}  // namespace attune
