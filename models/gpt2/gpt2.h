// GPT-2 as a sequence classifier.
//
// A pre-norm transformer decoder: learned positions, causal attention without any padding mask (padding tokens are
// ordinary tokens), tanh GELU, and a linear head with bias on one position or on the mean over positions.
//
// Radford et al.: "Language models are unsupervised multitask learners", 2019.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/torch_random.h"
#include "engine/nn/layers.h"
#include "json/value.h"
#include "models/classifier.h"
#include "models/family.h"
#include "models/stream.h"

namespace attune {

/// The keys of a GPT-2 config.json that attune reads.
struct Gpt2Config {
  std::int64_t vocab_size = 50257, n_positions = 1024, n_embd = 768, n_layer = 12, n_head = 12, n_inner = 3072;
  double layer_norm_epsilon = 1e-5, initializer_range = 0.02;
  float embd_pdrop = 0, attn_pdrop = 0, resid_pdrop = 0;
  Activation activation = Activation::kGeluTanh;

  /// Throws Error naming file and key of what is missing, contradictory or not supported.
  static Gpt2Config read(const json::Value& config);
  /// One of the published sizes, "gpt2-small (124M)" .. "gpt2-xl (1558M)". Throws UsageError listing them.
  static Gpt2Config published(const std::string& size);
  /// The members of a config.json that read() gives back.
  json::Value to_json() const;
  /// About how many parameters the model has: its tables and the matrices of its blocks.
  double parameters() const;
};

/// Which positions the head reads. Flexible: the last position that is not padding (the last position if all are
/// padding).
enum class HeadPosition : std::uint8_t { kFirst, kLast, kFlexible, kMean };

/// "first", "last", "flexible", "mean".
const char* name_of(HeadPosition position);
/// The reverse; throws Error listing the four names.
HeadPosition head_position(const std::string& name);

/// Initial weights: PyTorch's defaults (the reference recipe's random start), or GPT-2's own N(0, initializer_range).
enum class Initializer : std::uint8_t { kTorch, kGpt2 };

struct Gpt2Options {
  std::int64_t num_labels = 2;
  HeadPosition position = HeadPosition::kLast;
  bool causal = true;
  DType dtype = DType::kFloat32;
};

/// The options that attune keeps in config.json: attune_head_position and attune_causal; without them last, true.
Gpt2Options kept_options(const json::Value& config);

class Gpt2Classifier : public Classifier {
 public:
  Gpt2Classifier(const Gpt2Config& config, const Gpt2Options& options);

  Variable forward(const TokenBatch& batch, const ForwardPass& pass) const override;
  Variable hidden_states(const TokenBatch& batch, const ForwardPass& pass) const override;

  /// Random weights for everything but the head, in the reference's order of draws.
  void initialize(TorchGenerator& generator, Initializer initializer) const;
  void initialize_row(const ParameterRow& row, const Tensor& values, TorchGenerator& generator) const override;
  void initialize_head(TorchGenerator& generator) const override;

  HfFiles hf_files() const override;
  /// Moves the head's bias into ln_f.bias, since GPT2ForSequenceClassification has none: the smallest change d of
  /// ln_f.bias with W d = bias. If there is no such d (a head without full rank, for example with more classes than
  /// channels), the tensor score.bias stays in the file.
  void adapt_for_export(std::map<std::string, Tensor>& tensors) const override;
  std::int64_t num_labels() const override { return options_.num_labels; }
  std::int64_t vocab_size() const override { return config_.vocab_size; }
  /// GPT-2 has no padding token: the last id, <|endoftext|>, is the padding.
  std::int32_t pad_id() const override { return static_cast<std::int32_t>(config_.vocab_size - 1); }
  std::int64_t max_length() const override { return config_.n_positions; }
  json::Value hf_config() const override;

 private:
  struct Block {
    Block(const Gpt2Config& config, ParameterTable& table, const Section& at, DropoutSites& sites);
    LayerNorm norm1;
    Linear qkv, projection;
    LayerNorm norm2;
    Linear fc, fc_out;
    std::uint32_t attention_site, projection_site, mlp_site;
  };

  Stream embed(const TokenBatch& batch, const ForwardPass& pass) const;
  /// All blocks. If the head reads one row per sequence, what follows the last attention is computed for these rows
  /// alone, and the result has them: [B, C].
  enum class Rows : std::uint8_t { kAll, kOfHead };
  Variable encode(const TokenBatch& batch, const ForwardPass& pass, Rows last_rows) const;
  Stream block(std::size_t i, const Stream& x, const TokenBatch& batch, const ForwardPass& pass, Rows rows) const;

  Gpt2Config config_;
  Gpt2Options options_;
  DropoutSites sites_;
  Embedding tokens_, positions_;
  std::uint32_t embedding_site_;
  std::vector<Block> blocks_;
  LayerNorm final_norm_;
  Linear head_;
};

const Family& gpt2_family();

}  // namespace attune
