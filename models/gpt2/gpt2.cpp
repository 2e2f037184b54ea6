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

}  // namespace

Gpt2Classifier::Block::Block(const Gpt2Config& c, DType dtype, DropoutSites& sites)
    : norm1(c.n_embd, c.layer_norm_epsilon, true, dtype),
      qkv(c.n_embd, 3 * c.n_embd, true, dtype),
      projection(c.n_embd, c.n_embd, true, dtype),
      norm2(c.n_embd, c.layer_norm_epsilon, true, dtype),
      fc(c.n_embd, c.n_inner, true, dtype),
      fc_out(c.n_inner, c.n_embd, true, dtype),
      attention_site(sites.take(c.n_head)),
      projection_site(sites.take()),
      mlp_site(sites.take()) {}

Gpt2Classifier::Gpt2Classifier(const Gpt2Config& config, const Gpt2Options& options)
    : config_(config),
      options_(options),
      tokens_(config.vocab_size, config.n_embd, options.dtype),
      positions_(config.n_positions, config.n_embd, options.dtype),
      embedding_site_(sites_.take()),
      final_norm_(config.n_embd, config.layer_norm_epsilon, true, options.dtype),
      head_(config.n_embd, options.num_labels, true, options.dtype, Linear::Rounding::kNever) {
  for (std::int64_t i = 0; i < config.n_layer; ++i) blocks_.emplace_back(config, options.dtype, sites_);
}

Variable Gpt2Classifier::hidden_states(const TokenBatch& batch, const ForwardPass& pass) const {
  const Sequences& sequences = batch.sequences;
  CHECK(sequences.max_length <= config_.n_positions, "gpt2: a sequence of ", sequences.max_length,
        " tokens, but the model has ", config_.n_positions, " positions");
  const auto drop = [&](float p, std::uint32_t site) { return pass.dropout(p, site, sequences); };

  Variable x = embedding(tokens_.lookup(batch.ids), positions_.lookup(sequences.positions), {});
  x = dropout(x, drop(config_.embd_pdrop, embedding_site_));
  Variable normed = blocks_.front().norm1(x, blocks_.front().qkv.dtype());
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const Block& block = blocks_[i];
    const bool last = i + 1 == blocks_.size();
    const LayerNorm& next_norm = last ? final_norm_ : blocks_[i + 1].norm1;
    const Variable attended = attention(block.qkv(normed), sequences,
                                        {.heads = config_.n_head,
                                         .causal = options_.causal,
                                         .window = -1,
                                         .dropout = drop(config_.attn_pdrop, block.attention_site)});
    const ResidualNorm middle =
        block.norm2(x, block.projection(attended), drop(config_.resid_pdrop, block.projection_site));
    const Variable mlp = block.fc_out(activation(block.fc(middle.normed), config_.activation));
    const ResidualNorm next = next_norm(middle.sum, mlp, drop(config_.resid_pdrop, block.mlp_site), last);
    x = next.sum;
    normed = last ? next.stream : next.normed;
  }
  return normed;
}

Variable Gpt2Classifier::forward(const TokenBatch& batch, const ForwardPass& pass) const {
  return head_(pool(hidden_states(batch, pass), batch.pooled(pooled_rows_of(options_.position))));
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
      ops::fill(bias, 0);
    }
  };
  init::normal(generator, tokens_.weight.value(), torch ? 1.0f : range);
  init::normal(generator, positions_.weight.value(), torch ? 1.0f : range);
  for (const Block& block : blocks_) {
    for (std::int64_t part = 0; part < 3; ++part) {  // query, key, value: three layers to the reference
      const std::int64_t begin = part * config_.n_embd, end = begin + config_.n_embd;
      linear_layer(block.qkv.weight.value().rows(begin, end), block.qkv.bias.value().rows(begin, end), range);
    }
    linear_layer(block.projection.weight.value(), block.projection.bias.value(), residual_range);
    linear_layer(block.fc.weight.value(), block.fc.bias.value(), range);
    linear_layer(block.fc_out.weight.value(), block.fc_out.bias.value(), residual_range);
  }
}

void Gpt2Classifier::initialize_tensor(const HfTensor& tensor, const Tensor& values, TorchGenerator& generator) const {
  if (tensor.name.ends_with(".bias"))
    ops::fill(values, 0);
  else
    init::normal(generator, values, static_cast<float>(config_.initializer_range));
}

void Gpt2Classifier::initialize_head(TorchGenerator& generator) const {
  init::torch_linear(generator, head_.weight.value(), head_.bias.value());
}

void Gpt2Classifier::for_each_parameter(const Visitor& visit, const std::string& prefix) const {
  tokens_.for_each_parameter(visit, prefix + "tokens.");
  positions_.for_each_parameter(visit, prefix + "positions.");
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const std::string at = prefix + "blocks." + std::to_string(i) + ".";
    blocks_[i].norm1.for_each_parameter(visit, at + "norm1.");
    blocks_[i].qkv.for_each_parameter(visit, at + "qkv.");
    blocks_[i].projection.for_each_parameter(visit, at + "projection.");
    blocks_[i].norm2.for_each_parameter(visit, at + "norm2.");
    blocks_[i].fc.for_each_parameter(visit, at + "fc.");
    blocks_[i].fc_out.for_each_parameter(visit, at + "fc_out.");
  }
  final_norm_.for_each_parameter(visit, prefix + "final_norm.");
  head_.for_each_parameter(visit, prefix + "head.");
}

bool Gpt2Classifier::trains(TrainableLayers layers, const std::string& parameter) const {
  const auto in_block = [&](std::size_t from_end) {
    return blocks_.size() >= from_end &&
           parameter.starts_with("blocks." + std::to_string(blocks_.size() - from_end) + ".");
  };
  const bool head = parameter.starts_with("head.");
  switch (layers) {
    case TrainableLayers::kAll:
      return true;
    case TrainableLayers::kLastLayer:
      return head;
    case TrainableLayers::kLastBlock:
      return head || parameter.starts_with("final_norm.") || in_block(1);
    case TrainableLayers::kLastTwoBlocks:
      return head || parameter.starts_with("final_norm.") || in_block(1) || in_block(2);
  }
  return false;
}

}  // namespace attune
