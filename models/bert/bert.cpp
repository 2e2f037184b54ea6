#include "models/bert/bert.h"

#include "engine/nn/init.h"
#include "engine/ops/fill.h"
#include "engine/ops/position_ids.h"

namespace attune {

BertClassifier::Block::Block(const BertConfig& c, DType dtype, DropoutSites& sites)
    : qkv(c.hidden_size, 3 * c.hidden_size, true, dtype),
      projection(c.hidden_size, c.hidden_size, true, dtype),
      attention_norm(c.hidden_size, c.layer_norm_eps, true, dtype),
      fc(c.hidden_size, c.intermediate_size, true, dtype),
      fc_out(c.intermediate_size, c.hidden_size, true, dtype),
      output_norm(c.hidden_size, c.layer_norm_eps, true, dtype),
      attention_site(sites.take(c.heads)),
      projection_site(sites.take()),
      mlp_site(sites.take()) {}

BertClassifier::BertClassifier(const BertConfig& config, DType dtype)
    : config_(config),
      words_(config.vocab_size, config.hidden_size, dtype, config.pad_token_id),
      positions_(config.positions, config.hidden_size, dtype,
                 config.family == BertFamily::kRoberta ? config.pad_token_id : -1),
      types_(config.type_vocab_size, config.hidden_size, dtype),
      embedding_norm_(config.hidden_size, config.layer_norm_eps, true, dtype),
      embedding_site_(sites_.take()),
      dense_(config.hidden_size, config.hidden_size, true, dtype, Linear::Rounding::kNever),
      classifier_(config.hidden_size, config.num_labels, true, dtype, Linear::Rounding::kNever),
      dense_site_(sites_.take()),
      classifier_site_(sites_.take()) {
  for (std::int64_t i = 0; i < config.layers; ++i) blocks_.emplace_back(config, dtype, sites_);
}

std::int64_t BertClassifier::max_length() const {
  return config_.family == BertFamily::kRoberta ? config_.positions - config_.pad_token_id - 1 : config_.positions;
}

Tensor BertClassifier::position_ids(const TokenBatch& batch) const {
  if (config_.family != BertFamily::kRoberta) return batch.sequences.positions;
  return ops::position_ids(batch.ids, batch.sequences, static_cast<std::int32_t>(config_.pad_token_id));
}

BertClassifier::Hidden BertClassifier::embed(const TokenBatch& batch, const ForwardPass& pass) const {
  CHECK(batch.sequences.max_length <= max_length(), "a sequence of ", batch.sequences.max_length,
        " tokens, but the model has ", max_length(), " positions");
  EmbeddingInput types;
  if (config_.type_vocab_size > 0) {
    const bool given = batch.type_ids.defined();
    types = types_.lookup(given ? batch.type_ids : Tensor::zeros(batch.ids.shape(), DType::kInt32, batch.ids.device()));
  }
  const Variable sum = embedding(words_.lookup(batch.ids), positions_.lookup(position_ids(batch)), types);
  const Variable stream = dropout(embedding_norm_(sum, sum.value().dtype()),
                                  pass.dropout(config_.hidden_dropout, embedding_site_, batch.sequences));
  return {cast(stream, blocks_.front().qkv.dtype()), stream};
}

BertClassifier::Hidden BertClassifier::run_block(const Block& block, const Hidden& x, const TokenBatch& batch,
                                                 const ForwardPass& pass, bool first_rows_only) const {
  const Sequences& sequences = batch.sequences;
  Variable attended = attention(block.qkv(x.normed), sequences,
                                {.heads = config_.heads,
                                 .causal = false,
                                 .window = -1,
                                 .dropout = pass.dropout(config_.attention_dropout, block.attention_site, sequences)});
  Variable residual = x.stream;
  Tensor keys = sequences.row_keys;
  if (first_rows_only) {
    const ops::PooledSequences first = batch.pooled(PooledRows::kFirst);
    attended = pool(attended, first);
    residual = pool(residual, first);
    keys = batch.first_row_keys;
  }
  const float projection_dropout = config_.family == BertFamily::kDistilBert ? 0 : config_.hidden_dropout;
  const ResidualNorm middle = block.attention_norm(residual, block.projection(attended),
                                                   pass.dropout(projection_dropout, block.projection_site, keys), true);
  const Variable mlp = block.fc_out(activation(block.fc(middle.normed), config_.activation));
  const ResidualNorm out =
      block.output_norm(middle.stream, mlp, pass.dropout(config_.hidden_dropout, block.mlp_site, keys), true);
  return {out.normed, out.stream};
}

Variable BertClassifier::hidden_states(const TokenBatch& batch, const ForwardPass& pass) const {
  Hidden x = embed(batch, pass);
  for (const Block& block : blocks_) x = run_block(block, x, batch, pass, false);
  return x.stream;
}

Variable BertClassifier::forward(const TokenBatch& batch, const ForwardPass& pass) const {
  Hidden hidden = embed(batch, pass);
  for (const Block& block : blocks_) hidden = run_block(block, hidden, batch, pass, &block == &blocks_.back());
  Variable x = hidden.stream;
  const Tensor keys = batch.first_row_keys;
  if (config_.family == BertFamily::kRoberta) x = dropout(x, pass.dropout(config_.head_dropout, dense_site_, keys));
  x = activation(dense_(x), config_.family == BertFamily::kDistilBert ? Activation::kRelu : Activation::kTanh);
  return classifier_(dropout(x, pass.dropout(config_.head_dropout, classifier_site_, keys)));
}

void BertClassifier::initialize_tensor(const HfTensor& tensor, const Tensor& values, TorchGenerator& generator) const {
  const std::string& name = tensor.parameter;
  if (name.ends_with(".bias")) return ops::fill(values, 0);
  if (name.ends_with("norm.weight")) return ops::fill(values, 1);
  init::normal(generator, values, static_cast<float>(config_.initializer_range));
  const Embedding* padded = name == "words.weight" ? &words_ : name == "positions.weight" ? &positions_ : nullptr;
  if (padded != nullptr && padded->padding_id >= 0)
    ops::fill(values.rows(padded->padding_id, padded->padding_id + 1), 0);
}

void BertClassifier::initialize_head(TorchGenerator& generator) const {
  if (config_.family == BertFamily::kDistilBert) {
    init::normal(generator, classifier_.weight.value(), static_cast<float>(config_.initializer_range));
    ops::fill(classifier_.bias.value(), 0);
  } else {
    init::torch_linear(generator, classifier_.weight.value(), classifier_.bias.value());
  }
}

void BertClassifier::for_each_parameter(const Visitor& visit, const std::string& prefix) const {
  words_.for_each_parameter(visit, prefix + "words.");
  positions_.for_each_parameter(visit, prefix + "positions.");
  if (config_.type_vocab_size > 0) types_.for_each_parameter(visit, prefix + "types.");
  embedding_norm_.for_each_parameter(visit, prefix + "embedding_norm.");
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const std::string at = prefix + "blocks." + std::to_string(i) + ".";
    blocks_[i].qkv.for_each_parameter(visit, at + "qkv.");
    blocks_[i].projection.for_each_parameter(visit, at + "projection.");
    blocks_[i].attention_norm.for_each_parameter(visit, at + "attention_norm.");
    blocks_[i].fc.for_each_parameter(visit, at + "fc.");
    blocks_[i].fc_out.for_each_parameter(visit, at + "fc_out.");
    blocks_[i].output_norm.for_each_parameter(visit, at + "output_norm.");
  }
  dense_.for_each_parameter(visit, prefix + "dense.");
  classifier_.for_each_parameter(visit, prefix + "classifier.");
}

bool BertClassifier::trains(TrainableLayers layers, const std::string& parameter) const {
  const auto in_block = [&](std::size_t from_end) {
    return blocks_.size() >= from_end &&
           parameter.starts_with("blocks." + std::to_string(blocks_.size() - from_end) + ".");
  };
  const bool classifier = parameter.starts_with("classifier."), dense = parameter.starts_with("dense.");
  switch (layers) {
    case TrainableLayers::kAll:
      return true;
    case TrainableLayers::kLastLayer:
      return classifier || (dense && config_.family == BertFamily::kRoberta);
    case TrainableLayers::kLastBlock:
      return classifier || dense || in_block(1);
    case TrainableLayers::kLastTwoBlocks:
      return classifier || dense || in_block(1) || in_block(2);
  }
  return false;
}

}  // namespace attune
