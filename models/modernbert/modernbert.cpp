#include "models/modernbert/modernbert.h"

#include <cmath>

#include "engine/nn/init.h"
#include "engine/ops/fill.h"

namespace attune {

ModernBertClassifier::Block::Block(const ModernBertConfig& c, ParameterTable& table, Section at, DropoutSites& sites)
    : attention_site(sites.take(c.heads)), projection_site(sites.take()), mlp_site(sites.take()) {
  at.bias = false;
  if (at.layer > 0) attention_norm = table.norm(at, {"attention_norm", "attn_norm"}, c.hidden_size, c.norm_eps);
  qkv = table.linear(at, {"qkv", "attn.Wqkv"}, c.hidden_size, 3 * c.hidden_size);
  projection = table.linear(at, {"projection", "attn.Wo"}, c.hidden_size, c.hidden_size, Role::kOutput);
  mlp_norm = table.norm(at, {"mlp_norm", "mlp_norm"}, c.hidden_size, c.norm_eps);
  fc = table.linear(at, {"fc", "mlp.Wi"}, c.hidden_size, 2 * c.intermediate_size);
  fc_out = table.linear(at, {"fc_out", "mlp.Wo"}, c.intermediate_size, c.hidden_size, Role::kOutput);
}

ModernBertClassifier::ModernBertClassifier(const ModernBertConfig& config, DType dtype)
    : Classifier(ParameterTable(config.layers(), dtype, config.parameters())),
      config_(config),
      embedding_site_(sites_.take()),
      classifier_site_(sites_.take()),
      global_rope_(ops::RopeTable::make(config.positions, config.hidden_size / config.heads, config.global_theta)),
      local_rope_(ops::RopeTable::make(config.positions, config.hidden_size / config.heads, config.local_theta)) {
  const ModernBertConfig& c = config_;
  const Section embeddings = {.hf_name = "model.embeddings.", .bias = false};
  tokens_ = table_.embedding(embeddings, {"tokens", "tok_embeddings"}, c.vocab_size, c.hidden_size, c.pad_token_id);
  embedding_norm_ = table_.norm(embeddings, {"embedding_norm", "norm"}, c.hidden_size, c.norm_eps);
  for (std::int64_t i = 0; i < c.layers(); ++i)
    blocks_.emplace_back(c, table_, Section::block(i, "model.layers."), sites_);
  // The recipe trains the final norm with all layers only.
  final_norm_ = table_.norm({.hf_name = "model.", .layer = c.layers(), .bias = false}, {"final_norm", "final_norm"},
                            c.hidden_size, c.norm_eps);
  const Section head = {.hf_name = "head.",
                        .layer = c.layers(),
                        .bias = false,
                        .optional = true,
                        .trained_from = TrainableLayers::kLastBlock};
  dense_ = table_.linear(head, {"dense", "dense"}, c.hidden_size, c.hidden_size, Role::kOutput);  // starts like one
  head_norm_ = table_.norm(head, {"head_norm", "norm"}, c.hidden_size, c.norm_eps);
  classifier_ =
      table_.linear({.layer = c.layers(), .head = true, .optional = true, .trained_from = TrainableLayers::kLastLayer},
                    {"classifier", "classifier"}, c.hidden_size, c.num_labels);
}

HfFiles ModernBertClassifier::hf_files() const {
  return {.prefix = "model.", .ignored = {R"(decoder\.(weight|bias))", R"(.*rotary_emb\..*inv_freq)"}};
}

Stream ModernBertClassifier::embed(const TokenBatch& batch, const ForwardPass& pass) const {
  CHECK(batch.sequences.max_length <= config_.positions, "a sequence of ", batch.sequences.max_length,
        " tokens, but the model has ", config_.positions, " positions");
  const Variable words = embedding(tokens_.lookup(batch.ids), {}, {});
  const Variable x = dropout(pass.embedded(embedding_norm_(words, words.value().dtype())),
                             pass.dropout(config_.embedding_dropout, embedding_site_, batch.sequences));
  return {x, cast(x, blocks_.front().qkv.dtype())};
}

// Ends with the norm at the beginning of the next block or of the head.
Stream ModernBertClassifier::block(std::size_t i, const Stream& x, const Sequences& sequences,
                                   const ForwardPass& pass) const {
  const Block& block = blocks_[i];
  const bool global = config_.global_layers[i], last = i + 1 == blocks_.size();
  const LayerNorm& next_norm = last ? final_norm_ : *blocks_[i + 1].attention_norm;
  const auto drop = [&](float p, std::uint32_t site) { return pass.dropout(p, site, sequences); };
  const Tensor& keys = sequences.row_keys;
  const Variable turned =
      rope(block.qkv(x.normed, pass, keys), sequences, config_.heads, global ? global_rope_ : local_rope_);
  const Variable attended = attention(turned, sequences,
                                      {.heads = config_.heads,
                                       .causal = false,
                                       .window = global ? -1 : config_.local_attention / 2,
                                       .dropout = drop(config_.attention_dropout, block.attention_site)});
  const ResidualNorm middle = block.mlp_norm(x.residual, block.projection(attended, pass, keys),
                                             drop(config_.attention_dropout, block.projection_site));
  const Variable gated = dropout(glu(block.fc(middle.normed, pass, keys), config_.hidden_activation),
                                 drop(config_.mlp_dropout, block.mlp_site));
  const ResidualNorm next = next_norm(middle.sum, block.fc_out(gated, pass, keys), {}, last);
  return {next.sum, last ? next.stream : next.normed};
}

Variable ModernBertClassifier::hidden_states(const TokenBatch& batch, const ForwardPass& pass) const {
  global_rope_ = global_rope_.to(batch.ids.device());
  local_rope_ = local_rope_.to(batch.ids.device());
  Stream x = embed(batch, pass);
  for (std::size_t i = 0; i < blocks_.size(); ++i)
    x = run_block(x, pass, [this, i, sequences = batch.sequences, pass](const Stream& in) {
      return block(i, in, sequences, pass);
    });
  return x.normed;
}

Variable ModernBertClassifier::forward(const TokenBatch& batch, const ForwardPass& pass) const {
  // Without a mask the mean includes the padding.
  const bool masked = batch.sequences.key_lengths.defined();
  const PooledRows rows = !config_.mean_pooling ? PooledRows::kFirst : masked ? PooledRows::kReal : PooledRows::kAll;
  const Variable pooled = pool(hidden_states(batch, pass), batch.pooled(rows));
  const Variable activated = activation(dense_(pooled), config_.classifier_activation);
  const Variable head = head_norm_(activated, activated.value().dtype());
  const bool drops = pass.training && config_.classifier_dropout > 0;
  const Tensor keys = drops ? batch.row_keys(PooledRows::kFirst) : Tensor();
  return classifier_(dropout(head, pass.dropout(config_.classifier_dropout, classifier_site_, keys)));
}

void ModernBertClassifier::initialize_row(const ParameterRow& row, const Tensor& values,
                                          TorchGenerator& generator) const {
  if (row.role == Role::kBias) return ops::fill(InPlace(values), 0);
  if (row.role == Role::kNorm) return ops::fill(InPlace(values), 1);
  const double range = row.head ? 1.0 / std::sqrt(static_cast<double>(config_.hidden_size))
                       : row.role == Role::kOutput
                           ? config_.initializer_range / std::sqrt(2.0 * static_cast<double>(config_.layers()))
                           : config_.initializer_range;
  init::trunc_normal(generator, values, static_cast<float>(range));
}

void ModernBertClassifier::initialize_head(TorchGenerator& generator) const {
  init::torch_linear(generator, classifier_.weight.value(), classifier_.bias.value());
}

}  // namespace attune
