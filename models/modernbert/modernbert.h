// ModernBERT as a sequence classifier.
//
// A pre-norm transformer encoder without biases: rotary positions, attention that is global in some layers and local in
// the others, gated GELU. The head reads the first token or the mean over tokens: classifier(norm(gelu(dense x))). The
// first layer's attention has no norm before it, because the embeddings are already normed.
//
// Warner et al.: "Smarter, better, faster, longer", arXiv 2412.13663.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/nn/layers.h"
#include "json/value.h"
#include "models/classifier.h"
#include "models/family.h"
#include "models/stream.h"

namespace attune {

/// The keys of a ModernBERT config.json that attune reads.
struct ModernBertConfig {
  std::int64_t vocab_size = 50368, hidden_size = 768, heads = 12, intermediate_size = 1152, positions = 8192;
  std::vector<bool> global_layers;  // one per layer: global attention, or local
  std::int64_t local_attention = 128;
  double global_theta = 160000, local_theta = 10000;
  std::int64_t pad_token_id = 50283;
  std::int64_t num_labels = 2;
  bool mean_pooling = false;  // otherwise the first token
  double norm_eps = 1e-5, initializer_range = 0.02;
  float attention_dropout = 0, embedding_dropout = 0, mlp_dropout = 0, classifier_dropout = 0;
  Activation hidden_activation = Activation::kGeluErf, classifier_activation = Activation::kGeluErf;

  /// Keys of transformers 4 (global_attn_every_n_layers, global_rope_theta, local_rope_theta) and 5 (layer_types,
  /// rope_parameters). Throws Error naming file and key of what is missing, contradictory or not supported.
  static ModernBertConfig read(const json::Value& config);
  /// The members of a config.json that read() gives back.
  json::Value to_json() const;
  /// About how many parameters the model has: its tables and the matrices of its blocks.
  double parameters() const;
  std::int64_t layers() const { return static_cast<std::int64_t>(global_layers.size()); }
};

class ModernBertClassifier : public Classifier {
 public:
  ModernBertClassifier(const ModernBertConfig& config, DType dtype);

  Variable forward(const TokenBatch& batch, const ForwardPass& pass) const override;
  Variable hidden_states(const TokenBatch& batch, const ForwardPass& pass) const override;

  HfFiles hf_files() const override;
  void initialize_row(const ParameterRow& row, const Tensor& values, TorchGenerator& generator) const override;
  void initialize_head(TorchGenerator& generator) const override;
  std::int64_t num_labels() const override { return config_.num_labels; }
  std::int64_t vocab_size() const override { return config_.vocab_size; }
  std::int32_t pad_id() const override { return static_cast<std::int32_t>(config_.pad_token_id); }
  std::int64_t max_length() const override { return config_.positions; }
  json::Value hf_config() const override;

 private:
  struct Block {
    Block(const ModernBertConfig& config, ParameterTable& table, Section at, DropoutSites& sites);
    std::optional<LayerNorm> attention_norm;  // none in the first layer
    Linear qkv, projection;
    LayerNorm mlp_norm;
    Linear fc, fc_out;
    std::uint32_t attention_site, projection_site, mlp_site;
  };

  Stream embed(const TokenBatch& batch, const ForwardPass& pass) const;
  Stream block(std::size_t i, const Stream& x, const Sequences& sequences, const ForwardPass& pass) const;

  ModernBertConfig config_;
  DropoutSites sites_;
  Embedding tokens_;
  LayerNorm embedding_norm_;
  std::uint32_t embedding_site_;
  std::vector<Block> blocks_;
  LayerNorm final_norm_;
  Linear dense_;
  LayerNorm head_norm_;
  Linear classifier_;
  std::uint32_t classifier_site_;
  mutable ops::RopeTable global_rope_, local_rope_;  // on the device of the latest batch
};

const Family& modernbert_family();

}  // namespace attune
