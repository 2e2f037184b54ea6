#include "models/modernbert/modernbert.h"

#include <cmath>

#include "engine/nn/init.h"
#include "engine/ops/fill.h"

namespace attune {

ModernBertClassifier::Block::Block(const ModernBertConfig& c, bool first, DType dtype, DropoutSites& sites)
    : qkv(c.hidden_size, 3 * c.hidden_size, false, dtype),
      projection(c.hidden_size, c.hidden_size, false, dtype),
      mlp_norm(c.hidden_size, c.norm_eps, false, dtype),
      fc(c.hidden_size, 2 * c.intermediate_size, false, dtype),
      fc_out(c.intermediate_size, c.hidden_size, false, dtype),
      attention_site(sites.take(c.heads)),
      projection_site(sites.take()),
      mlp_site(sites.take()) {
  if (!first) attention_norm.emplace(c.hidden_size, c.norm_eps, false, dtype);
}

ModernBertClassifier::ModernBertClassifier(const ModernBertConfig& config, DType dtype)
    : config_(config),
      tokens_(config.vocab_size, config.hidden_size, dtype, config.pad_token_id),
      embedding_norm_(config.hidden_size, config.norm_eps, false, dtype),
      embedding_site_(sites_.take()),
      final_norm_(config.hidden_size, config.norm_eps, false, dtype),
      dense_(config.hidden_size, config.hidden_size, false, dtype, Linear::Rounding::kNever),
      head_norm_(config.hidden_size, config.norm_eps, false, dtype),
      classifier_(config.hidden_size, config.num_labels, true, dtype, Linear::Rounding::kNever),
      classifier_site_(sites_.take()),
      global_rope_(ops::RopeTable::make(config.positions, config.hidden_size / config.heads, config.global_theta)),
      local_rope_(ops::RopeTable::make(config.positions, config.hidden_size / config.heads, config.local_theta)) {
  for (std::int64_t i = 0; i < config.layers(); ++i) blocks_.emplace_back(config, i == 0, dtype, sites_);
}

Variable ModernBertClassifier::hidden_states(const TokenBatch& batch, const ForwardPass& pass) const {
  const Sequences& sequences = batch.sequences;
  CHECK(sequences.max_length <= config_.positions, "a sequence of ", sequences.max_length,
        " tokens, but the model has ", config_.positions, " positions");
  global_rope_ = global_rope_.to(batch.ids.device());
  local_rope_ = local_rope_.to(batch.ids.device());
  const auto drop = [&](float p, std::uint32_t site) { return pass.dropout(p, site, sequences); };

  const Variable words = embedding(tokens_.lookup(batch.ids), {}, {});
  Variable x = dropout(embedding_norm_(words, words.value().dtype()), drop(config_.embedding_dropout, embedding_site_));
  Variable normed = cast(x, blocks_.front().qkv.dtype());
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const Block& block = blocks_[i];
    const bool global = config_.global_layers[i];
    const Variable turned = rope(block.qkv(normed), sequences, config_.heads, global ? global_rope_ : local_rope_);
    const Variable attended = attention(turned, sequences,
                                        {.heads = config_.heads,
                                         .causal = false,
                                         .window = global ? -1 : config_.local_attention / 2,
                                         .dropout = drop(config_.attention_dropout, block.attention_site)});
    const ResidualNorm middle =
        block.mlp_norm(x, block.projection(attended), drop(config_.attention_dropout, block.projection_site));
    const Variable gated =
        dropout(glu(block.fc(middle.normed), config_.hidden_activation), drop(config_.mlp_dropout, block.mlp_site));
    const bool last = i + 1 == blocks_.size();
    const LayerNorm& next_norm = last ? final_norm_ : *blocks_[i + 1].attention_norm;
    const ResidualNorm next = next_norm(middle.sum, block.fc_out(gated), {}, last);
    x = next.sum;
    normed = last ? next.stream : next.normed;
  }
  return normed;
}

Variable ModernBertClassifier::forward(const TokenBatch& batch, const ForwardPass& pass) const {
  // Without a mask the mean takes the padding in.
  const bool masked = batch.sequences.key_lengths.defined();
  const PooledRows rows = !config_.mean_pooling ? PooledRows::kFirst : masked ? PooledRows::kReal : PooledRows::kAll;
  const Variable pooled = pool(hidden_states(batch, pass), batch.pooled(rows));
  const Variable activated = activation(dense_(pooled), config_.classifier_activation);
  const Variable head = head_norm_(activated, activated.value().dtype());
  return classifier_(dropout(head, pass.dropout(config_.classifier_dropout, classifier_site_, batch.first_row_keys)));
}

void ModernBertClassifier::initialize_tensor(const HfTensor& tensor, const Tensor& values,
                                             TorchGenerator& generator) const {
  const std::string& name = tensor.parameter;
  if (name.ends_with(".bias")) return ops::fill(values, 0);
  if (name.ends_with("norm.weight")) return ops::fill(values, 1);
  const bool output = name.ends_with("projection.weight") || name.ends_with("fc_out.weight") || name == "dense.weight";
  const double range = name == "classifier.weight" ? 1.0 / std::sqrt(static_cast<double>(config_.hidden_size))
                       : output ? config_.initializer_range / std::sqrt(2.0 * static_cast<double>(config_.layers()))
                                : config_.initializer_range;
  init::trunc_normal(generator, values, static_cast<float>(range));
}

void ModernBertClassifier::initialize_head(TorchGenerator& generator) const {
  init::torch_linear(generator, classifier_.weight.value(), classifier_.bias.value());
}

void ModernBertClassifier::for_each_parameter(const Visitor& visit, const std::string& prefix) const {
  tokens_.for_each_parameter(visit, prefix + "tokens.");
  embedding_norm_.for_each_parameter(visit, prefix + "embedding_norm.");
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const std::string at = prefix + "blocks." + std::to_string(i) + ".";
    if (blocks_[i].attention_norm) blocks_[i].attention_norm->for_each_parameter(visit, at + "attention_norm.");
    blocks_[i].qkv.for_each_parameter(visit, at + "qkv.");
    blocks_[i].projection.for_each_parameter(visit, at + "projection.");
    blocks_[i].mlp_norm.for_each_parameter(visit, at + "mlp_norm.");
    blocks_[i].fc.for_each_parameter(visit, at + "fc.");
    blocks_[i].fc_out.for_each_parameter(visit, at + "fc_out.");
  }
  final_norm_.for_each_parameter(visit, prefix + "final_norm.");
  dense_.for_each_parameter(visit, prefix + "dense.");
  head_norm_.for_each_parameter(visit, prefix + "head_norm.");
  classifier_.for_each_parameter(visit, prefix + "classifier.");
}

bool ModernBertClassifier::trains(TrainableLayers layers, const std::string& parameter) const {
  const auto in_block = [&](std::size_t from_end) {
    return blocks_.size() >= from_end &&
           parameter.starts_with("blocks." + std::to_string(blocks_.size() - from_end) + ".");
  };
  const bool classifier = parameter.starts_with("classifier.");
  const bool head = classifier || parameter.starts_with("dense.") || parameter.starts_with("head_norm.");
  switch (layers) {  // the recipe leaves the final norm frozen
    case TrainableLayers::kAll:
      return true;
    case TrainableLayers::kLastLayer:
      return classifier;
    case TrainableLayers::kLastBlock:
      return head || in_block(1);
    case TrainableLayers::kLastTwoBlocks:
      return head || in_block(1) || in_block(2);
  }
  return false;
}

}  // namespace attune
