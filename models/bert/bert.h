// BERT, DistilBERT and RoBERTa as sequence classifiers: three configs of one encoder.
//
// A post-norm transformer encoder with learned positions, and a head on the first token. The families use different
// names in config.json and in their files, and differ in four places of the arithmetic:
//
//                                 BERT                 DistilBERT           RoBERTa
//   token types                   type_vocab_size      none                 type_vocab_size
//   positions                     0, 1, 2, ...         0, 1, 2, ...         pad + 1, ... (padding is not counted)
//   dropout of attention's output yes                  no                   yes
//   head                          drop tanh(dense x)   drop relu(dense x)   drop tanh(dense drop x)
//
// Only the first token reaches the head, so in the last block everything after attention is computed for that row only.
//
// Devlin et al.: "BERT", arXiv 1810.04805. Sanh et al.: "DistilBERT", arXiv 1910.01108. Liu et al.: "RoBERTa", arXiv
// 1907.11692.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/nn/layers.h"
#include "json/value.h"
#include "models/classifier.h"
#include "models/family.h"
#include "models/stream.h"

namespace attune {

enum class BertFamily : std::uint8_t { kBert, kDistilBert, kRoberta };

/// The keys of these families' config.json that attune reads.
struct BertConfig {
  BertFamily family = BertFamily::kBert;
  std::int64_t vocab_size = 30522, hidden_size = 768, layers = 12, heads = 12, intermediate_size = 3072;
  std::int64_t positions = 512;      // rows of the position table
  std::int64_t type_vocab_size = 2;  // 0: no token types
  std::int64_t pad_token_id = 0;
  std::int64_t num_labels = 2;
  double layer_norm_eps = 1e-12, initializer_range = 0.02;
  float hidden_dropout = 0.1F, attention_dropout = 0.1F, head_dropout = 0.1F;
  Activation activation = Activation::kGeluErf;

  /// Throws Error naming file and key of what is missing, contradictory or not supported.
  static BertConfig read(const json::Value& config);
  /// The members of a config.json that read() gives back.
  json::Value to_json() const;
  /// About how many parameters the model has: its tables and the matrices of its blocks.
  double parameters() const;
};

class BertClassifier : public Classifier {
 public:
  BertClassifier(const BertConfig& config, DType dtype);

  Variable forward(const TokenBatch& batch, const ForwardPass& pass) const override;
  Variable hidden_states(const TokenBatch& batch, const ForwardPass& pass) const override;

  HfFiles hf_files() const override;
  void initialize_row(const ParameterRow& row, const Tensor& values, TorchGenerator& generator) const override;
  void initialize_head(TorchGenerator& generator) const override;
  std::int64_t num_labels() const override { return config_.num_labels; }
  std::int64_t vocab_size() const override { return config_.vocab_size; }
  std::int32_t pad_id() const override { return static_cast<std::int32_t>(config_.pad_token_id); }
  std::int64_t max_length() const override;
  std::int64_t segments() const override { return config_.type_vocab_size; }
  json::Value hf_config() const override;

 private:
  struct Block {
    Block(const BertConfig& config, ParameterTable& table, const Section& at, DropoutSites& sites);
    Linear qkv, projection;
    LayerNorm attention_norm;
    Linear fc, fc_out;
    LayerNorm output_norm;
    std::uint32_t attention_site, projection_site, mlp_site;
  };

  // Rows of each sequence for which the layers after a block's attention are computed.
  enum class Rows : std::uint8_t { kAll, kFirst };
  Stream embed(const TokenBatch& batch, const ForwardPass& pass) const;
  Stream block(const Block& block, const Stream& x, const TokenBatch& batch, const ForwardPass& pass, Rows rows) const;
  Variable encode(const TokenBatch& batch, const ForwardPass& pass, Rows last_rows) const;
  Tensor position_ids(const TokenBatch& batch) const;

  BertConfig config_;
  DropoutSites sites_;
  Embedding words_, positions_, types_;
  LayerNorm embedding_norm_;
  std::uint32_t embedding_site_;
  std::vector<Block> blocks_;
  Linear dense_, classifier_;
  std::uint32_t dense_site_, classifier_site_;
};

const Family& bert_family();

}  // namespace attune
