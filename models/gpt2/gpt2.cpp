#include "models/gpt2/gpt2.h"

#include <cmath>

#include "engine/nn/init.h"
#include "engine/ops/fill.h"

namespace attune {
namespace {

// The mean of the logits over positions is the head on the mean of the states: the head is affine.
PooledRows pooled_rows_of(HeadPosition position) {
  switch (position) {
    case HeadPosition::kFirst:
      return PooledRows::kFirst;
    case HeadPosition::kLast:
      return PooledRows::kLast;
    case HeadPosition::kFlexible:
      return PooledRows::kLastReal;
    case HeadPosition::kMean:
      return PooledRows::kAll;
  }
  return PooledRows::kLast;
}

Section block_section(std::int64_t index) {
  Section out = Section::block(index, "transformer.h.");
  out.transposed = true;  // Conv1D
  return out;
}

}  // namespace

Gpt2Classifier::Block::Block(const Gpt2Config& c, ParameterTable& table, const Section& at, DropoutSites& sites)
    : norm1(table.norm(at, {"norm1", "ln_1"}, c.n_embd, c.layer_norm_epsilon)),
      qkv(table.linear(at, {"qkv", "attn.c_attn"}, c.n_embd, 3 * c.n_embd)),
      projection(table.linear(at, {"projection", "attn.c_proj"}, c.n_embd, c.n_embd, Role::kOutput)),
      norm2(table.norm(at, {"norm2", "ln_2"}, c.n_embd, c.layer_norm_epsilon)),
      fc(table.linear(at, {"fc", "mlp.c_fc"}, c.n_embd, c.n_inner)),
      fc_out(table.linear(at, {"fc_out", "mlp.c_proj"}, c.n_inner, c.n_embd, Role::kOutput)),
      attention_site(sites.take(c.n_head)),
      projection_site(sites.take()),
      mlp_site(sites.take()) {}

Gpt2Classifier::Gpt2Classifier(const Gpt2Config& config, const Gpt2Options& options)
    : Classifier(ParameterTable(config.n_layer, options.dtype, config.parameters())),
      config_(config),
      options_(options) {
  const Section embeddings = {.hf_name = "transformer."};
  tokens_ = table_.embedding(embeddings, {"tokens", "wte"}, config.vocab_size, config.n_embd);
  positions_ = table_.embedding(embeddings, {"positions", "wpe"}, config.n_positions, config.n_embd);
  embedding_site_ = sites_.take();
  for (std::int64_t i = 0; i < config.n_layer; ++i) blocks_.emplace_back(config, table_, block_section(i), sites_);
  final_norm_ =
      table_.norm({.hf_name = "transformer.", .layer = config.n_layer, .trained_from = TrainableLayers::kLastBlock},
                  {"final_norm", "ln_f"}, config.n_embd, config.layer_norm_epsilon);
  head_ = table_.linear(
      {.layer = config.n_layer, .head = true, .optional = true, .trained_from = TrainableLayers::kLastLayer},
      {"head", "score"}, config.n_embd, options.num_labels);
}

HfFiles Gpt2Classifier::hf_files() const {
  return {.prefix = "transformer.", .ignored = {R"(h\.\d+\.attn\.(bias|masked_bias))", R"(lm_head\.weight)"}};
}

Stream Gpt2Classifier::embed(const TokenBatch& batch, const ForwardPass& pass) const {
  CHECK(batch.sequences.max_length <= config_.n_positions, "gpt2: a sequence of ", batch.sequences.max_length,
        " tokens, but the model has ", config_.n_positions, " positions");
  const Variable sum =
      pass.embedded(embedding(tokens_.lookup(batch.ids), positions_.lookup(batch.sequences.positions), {}));
  const Variable x = dropout(sum, pass.dropout(config_.embd_pdrop, embedding_site_, batch.sequences));
  return {x, blocks_.front().norm1(x, blocks_.front().qkv.dtype())};
}

// Ends with the norm at the beginning of the next block or of the head.
Stream Gpt2Classifier::block(std::size_t i, const Stream& x, const TokenBatch& batch, const ForwardPass& pass,
                             Rows rows) const {
  const Block& block = blocks_[i];
  const Sequences& sequences = batch.sequences;
  const bool last = i + 1 == blocks_.size();
  const LayerNorm& next_norm = last ? final_norm_ : blocks_[i + 1].norm1;
  Variable attended = attention(block.qkv(x.normed, pass, sequences.row_keys), sequences,
                                {.heads = config_.n_head,
                                 .causal = options_.causal,
                                 .window = -1,
                                 .dropout = pass.dropout(config_.attn_pdrop, block.attention_site, sequences)});
  Variable residual = x.residual;
  Tensor keys = sequences.row_keys;
  if (rows == Rows::kOfHead) {
    const PooledRows chosen = pooled_rows_of(options_.position);
    attended = pool(attended, batch.pooled(chosen));
    residual = pool(residual, batch.pooled(chosen));
    if (pass.training && (config_.resid_pdrop > 0 || drops(block.projection, block.fc, block.fc_out)))
      keys = batch.row_keys(chosen);
  }
  const auto drop = [&](float p, std::uint32_t site) { return pass.dropout(p, site, keys); };
  const ResidualNorm middle =
      block.norm2(residual, block.projection(attended, pass, keys), drop(config_.resid_pdrop, block.projection_site));
  const Variable mlp = block.fc_out(activation(block.fc(middle.normed, pass, keys), config_.activation), pass, keys);
  const ResidualNorm next = next_norm(middle.sum, mlp, drop(config_.resid_pdrop, block.mlp_site), last);
  return {next.sum, last ? next.stream : next.normed};
}

Variable Gpt2Classifier::encode(const TokenBatch& batch, const ForwardPass& pass, Rows last_rows) const {
  Stream x = embed(batch, pass);
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const Rows rows = i + 1 == blocks_.size() ? last_rows : Rows::kAll;
    x = run_block(x, pass, [this, i, batch, pass, rows](const Stream& in) { return block(i, in, batch, pass, rows); });
  }
  return x.normed;
}

Variable Gpt2Classifier::hidden_states(const TokenBatch& batch, const ForwardPass& pass) const {
  return encode(batch, pass, Rows::kAll);
}

Variable Gpt2Classifier::forward(const TokenBatch& batch, const ForwardPass& pass) const {
  if (options_.position != HeadPosition::kMean) return head_(encode(batch, pass, Rows::kOfHead));
  return head_(pool(hidden_states(batch, pass), batch.pooled(PooledRows::kAll)));
}

void Gpt2Classifier::initialize(TorchGenerator& generator, Initializer initializer) const {
  const bool torch = initializer == Initializer::kTorch;
  const auto range = static_cast<float>(config_.initializer_range);
  const auto residual_range =
      static_cast<float>(config_.initializer_range / std::sqrt(2.0 * static_cast<double>(config_.n_layer)));
  const auto linear_layer = [&](const Tensor& weight, const Tensor& bias, float stddev) {
    if (torch) {
      init::torch_linear(generator, weight, bias);
    } else {
      init::normal(generator, weight, stddev);
      ops::fill(InPlace(bias), 0);
    }
  };
  init::normal(generator, tokens_.weight.value(), torch ? 1.0f : range);
  init::normal(generator, positions_.weight.value(), torch ? 1.0f : range);
  for (const Block& block : blocks_) {
    for (std::int64_t part = 0; part < 3; ++part) {  // query, key, value: three layers in the reference
      const std::int64_t begin = part * config_.n_embd, end = begin + config_.n_embd;
      linear_layer(block.qkv.weight.value().rows(begin, end), block.qkv.bias.value().rows(begin, end), range);
    }
    linear_layer(block.projection.weight.value(), block.projection.bias.value(), residual_range);
    linear_layer(block.fc.weight.value(), block.fc.bias.value(), range);
    linear_layer(block.fc_out.weight.value(), block.fc_out.bias.value(), residual_range);
  }
}

void Gpt2Classifier::initialize_row(const ParameterRow& row, const Tensor& values, TorchGenerator& generator) const {
  if (row.role == Role::kBias) return ops::fill(InPlace(values), 0);
  if (row.role == Role::kNorm) return ops::fill(InPlace(values), 1);
  const double scale = row.role == Role::kOutput ? std::sqrt(2.0 * static_cast<double>(config_.n_layer)) : 1;
  init::normal(generator, values, static_cast<float>(config_.initializer_range / scale));
}

void Gpt2Classifier::initialize_head(TorchGenerator& generator) const {
  init::torch_linear(generator, head_.weight.value(), head_.bias.value());
}

}  // namespace attune
