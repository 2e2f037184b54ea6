// What every sequence classifier of attune is: tokens in, one row of logits per sequence out; and how its parameters
// are spelled in Hugging Face files.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/torch_random.h"
#include "engine/nn/module.h"
#include "engine/nn/token_batch.h"
#include "json/value.h"

namespace attune {

/// Which parameters a fine-tuning run trains (reference recipe: --trainable_layers).
enum class TrainableLayers : std::uint8_t { kAll, kLastLayer, kLastBlock, kLastTwoBlocks };

/// One tensor of a Hugging Face file and the parameter (or rows of it) that holds its values. Fused parameters are
/// several tensors there; Conv1D weights lie transposed.
struct HfTensor {
  std::string name;             // without the family's prefix
  std::string parameter;        // dotted name in the module
  std::int64_t row_begin = 0;   // first row of the parameter
  std::int64_t row_count = -1;  // rows; -1: all
  bool transposed = false;      // the file holds [inputs, outputs]
  bool head = false;            // of the last layer, which initialize_head() starts afresh
  bool optional = false;        // absent from a pretrained file: keeps its initial values (heads)
};

/// Names of a family's files: what to strip, and what to pass over.
struct HfNaming {
  std::string prefix;  // e.g. "transformer."; present or absent in a file, written when saving
  std::vector<HfTensor> tensors;
  std::vector<std::string> unprefixed;  // names that never carry the prefix (heads)
  std::vector<std::string> ignored;     // regular expressions over names: buffers and heads of other tasks
};

class Classifier : public Module {
 public:
  /// Logits [B, L] of a batch.
  virtual Variable forward(const TokenBatch& batch, const ForwardPass& pass) const = 0;
  /// The hidden states [N, C] of the last block, after the final norm where the family has one; what the head reads.
  /// Heads see one row per sequence and are float32 in every precision.
  virtual Variable hidden_states(const TokenBatch& batch, const ForwardPass& pass) const = 0;
  /// Whether the parameter is trained under this choice.
  virtual bool trains(TrainableLayers layers, const std::string& parameter) const = 0;
  virtual HfNaming hf_naming() const = 0;
  /// Random `values` for one tensor of hf_naming(), as the reference library starts those that a checkpoint lacks.
  virtual void initialize_tensor(const HfTensor& tensor, const Tensor& values, TorchGenerator& generator) const = 0;
  /// A fresh last layer, as the recipe puts it before every fine-tuning run: a new torch.nn.Linear (DistilBERT: the
  /// reference library's own start).
  virtual void initialize_head(TorchGenerator& generator) const = 0;
  /// Last changes to the tensors of a checkpoint, by canonical name, where the ecosystem's class differs from this one.
  virtual void adapt_for_export(std::map<std::string, Tensor>& tensors) const { static_cast<void>(tensors); }

  virtual std::int64_t num_labels() const = 0;
  virtual std::int64_t vocab_size() const = 0;
  /// The id that fills padded rows.
  virtual std::int32_t pad_id() const = 0;
  /// Longest sequence the positions reach.
  virtual std::int64_t max_length() const = 0;
  /// config.json of a folder that holds this model, for the ecosystem's classes: all but the names of the classes and
  /// what the application knows.
  virtual json::Value hf_config() const = 0;
};

}  // namespace attune
