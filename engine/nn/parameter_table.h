// All parameters of a model: one row for each tensor of its Hugging Face file.
//
// Layers are made through the table, so that each name is written once, where its layer is declared. Visiting,
// counting, loading, saving, freezing and initial values are loops over the rows, in the order of declaration.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/torch_random.h"
#include "engine/nn/layers.h"
#include "engine/nn/module.h"

namespace attune {

/// The role of a parameter in its layer.
enum class Role : std::uint8_t {
  kEmbedding,  // a table [rows, channels]
  kNorm,       // the scale of a norm
  kLinear,     // a weight [outputs, inputs]
  kOutput,     // such a weight whose product is added to the residual stream
  kBias,       // of a norm or a linear layer
  kLowRank     // a matrix of a low-rank change; it has no name in the Hugging Face file
};

/// Which parameters a fine-tuning run trains (reference recipe: --trainable_layers); each choice contains those before.
enum class TrainableLayers : std::uint8_t { kLastLayer, kLastBlock, kLastTwoBlocks, kAll };

/// A choice by its name on the command line: all, last_block, last_two_blocks, last_layer. Throws UsageError listing
/// them.
TrainableLayers trainable_layers(const std::string& name);

/// One tensor of a Hugging Face file and the parameter (or the rows of it) that holds its values.
struct ParameterRow {
  std::string name;     // ours, dotted: "blocks.3.qkv.weight"
  std::string hf_name;  // the file's: "bert.encoder.layer.3.attention.self.key.weight"
  Parameter parameter;
  std::int64_t row_begin = 0, row_end = 0;  // rows of the parameter; a fused layer is several tensors of the file
  bool transposed = false;                  // the file holds [inputs, outputs]
  std::int64_t layer = 0;                   // -1: before the blocks; index of the block; number of blocks: after them
  Role role = Role::kLinear;
  TrainableLayers trained_from = TrainableLayers::kAll;  // the first choice that trains it
  bool head = false;                                     // of the last layer, which every fine-tuning run starts afresh
  bool optional = false;                                 // may be absent from a file: keeps its initial values
  std::shared_ptr<const LowRank> change = {};            // of a block's linear weight (Linear::change)

  /// Its rows of the parameter's value, gradient or master.
  Tensor part_of(const Tensor& whole) const { return whole.rows(row_begin, row_end); }
};

/// Common properties of the layers of one part of a model.
struct Section {
  std::string name = {}, hf_name = {};  // what their names begin with
  std::int64_t layer = -1;              // as in ParameterRow
  bool bias = true;                     // linear layers and norms have one
  bool transposed = false;              // linear layers lie [inputs, outputs] in the file
  bool head = false, optional = false;
  TrainableLayers trained_from = TrainableLayers::kAll;  // or earlier, if its block is one of the last

  /// Block `index`: "blocks.3." and, after `hf_blocks`, "3.".
  static Section block(std::int64_t index, const std::string& hf_blocks);
};

/// A layer's name in its section: ours, and that of the file; several there are equal parts of its outputs.
struct LayerName {
  LayerName(const char* ours, const char* hf) : name(ours), hf_names{hf} {}
  LayerName(const char* ours, std::vector<std::string> hf_parts) : name(ours), hf_names(std::move(hf_parts)) {}

  std::string name;
  std::vector<std::string> hf_names;
};

/// Low-rank changes of the linear layers of all blocks (LowRank).
struct LowRankSpec {
  std::int64_t rank = 8;
  double alpha = 16;  // scale = alpha / rank
  float dropout = 0;
  std::vector<std::string> layers;  // their names in a block: qkv, projection, fc, fc_out
};

class ParameterTable : public Module {
 public:
  /// Of a model with so many blocks and about so many parameters, which are held in `dtype`. Throws OutOfMemory if they
  /// are more than the memory of this machine, before anything is allocated.
  ParameterTable(std::int64_t blocks, DType dtype, double parameters);

  // New layers of zeros (norms: scale 1), and their rows. In bfloat16 the weights and biases of a block's linear layers
  // may be rounded; layers that read one row per sequence stay float32: they cost little and matter much.
  Embedding embedding(const Section& section, const LayerName& name, std::int64_t rows, std::int64_t channels,
                      std::int64_t padding_id = -1);
  LayerNorm norm(const Section& section, const LayerName& name, std::int64_t channels, double eps);
  Linear linear(const Section& section, const LayerName& name, std::int64_t inputs, std::int64_t outputs,
                Role role = Role::kLinear);

  /// Gives the named layers of every block a low-rank change: A as torch.nn.Linear begins, B zero, so that the model
  /// computes what it did. Throws Error if no layer has such a name, or has a change already.
  void add_low_rank(const LowRankSpec& spec, TorchGenerator& generator);

  const std::vector<ParameterRow>& rows() const { return rows_; }
  std::int64_t blocks() const { return blocks_; }
  void for_each_parameter(const Visitor& visit) const override;

 private:
  void add(const Section& section, const LayerName& name, const Parameter& weight, const Parameter& bias, Role role,
           const std::shared_ptr<const LowRank>& change = {});

  // A linear layer of a block.
  struct BlockLinear {
    std::string section, name;  // "blocks.3.", "qkv"
    std::int64_t layer;
    std::shared_ptr<LowRank> change;
    Shape shape;  // of the weight
  };

  std::int64_t blocks_;
  DType dtype_;
  std::vector<BlockLinear> linears_;
  std::vector<ParameterRow> rows_;
};

}  // namespace attune
