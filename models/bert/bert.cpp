#include "models/bert/bert.h"

#include <array>

#include "engine/nn/init.h"
#include "engine/ops/fill.h"
#include "engine/ops/position_ids.h"

namespace attune {

namespace {

// The names of the common tensors in a family's files.
struct TensorNames {
  const char *prefix, *blocks, *query, *key, *value, *projection, *attention_norm, *fc, *fc_out, *output_norm;
  const char *dense, *classifier;
};
constexpr std::array<TensorNames, 3> kTensorNames = {
    {{"bert.", "bert.encoder.layer.", "attention.self.query", "attention.self.key", "attention.self.value",
      "attention.output.dense", "attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm",
      "bert.pooler.dense", "classifier"},
     {"distilbert.", "distilbert.transformer.layer.", "attention.q_lin", "attention.k_lin", "attention.v_lin",
      "attention.out_lin", "sa_layer_norm", "ffn.lin1", "ffn.lin2", "output_layer_norm", "pre_classifier",
      "classifier"},
     {"roberta.", "roberta.encoder.layer.", "attention.self.query", "attention.self.key", "attention.self.value",
      "attention.output.dense", "attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm",
      "classifier.dense", "classifier.out_proj"}}};
const TensorNames& tensor_names(BertFamily family) {
  return kTensorNames[static_cast<std::size_t>(family)];
}

}  // namespace

BertClassifier::Block::Block(const BertConfig& c, ParameterTable& table, const Section& at, DropoutSites& sites)
    : attention_site(sites.take(c.heads)), projection_site(sites.take()), mlp_site(sites.take()) {
  const TensorNames& hf = tensor_names(c.family);
  qkv = table.linear(at, {"qkv", {hf.query, hf.key, hf.value}}, c.hidden_size, 3 * c.hidden_size);
  projection = table.linear(at, {"projection", hf.projection}, c.hidden_size, c.hidden_size, Role::kOutput);
  attention_norm = table.norm(at, {"attention_norm", hf.attention_norm}, c.hidden_size, c.layer_norm_eps);
  fc = table.linear(at, {"fc", hf.fc}, c.hidden_size, c.intermediate_size);
  fc_out = table.linear(at, {"fc_out", hf.fc_out}, c.intermediate_size, c.hidden_size, Role::kOutput);
  output_norm = table.norm(at, {"output_norm", hf.output_norm}, c.hidden_size, c.layer_norm_eps);
}

BertClassifier::BertClassifier(const BertConfig& config, DType dtype)
    : Classifier(ParameterTable(config.layers, dtype, config.parameters())),
      config_(config),
      embedding_site_(sites_.take()),
      dense_site_(sites_.take()),
      classifier_site_(sites_.take()) {
  const BertConfig& c = config_;
  const TensorNames& hf = tensor_names(c.family);
  const bool roberta = c.family == BertFamily::kRoberta;
  const Section embeddings = {.hf_name = std::string(hf.prefix) + "embeddings."};
  words_ = table_.embedding(embeddings, {"words", "word_embeddings"}, c.vocab_size, c.hidden_size, c.pad_token_id);
  positions_ = table_.embedding(embeddings, {"positions", "position_embeddings"}, c.positions, c.hidden_size,
                                roberta ? c.pad_token_id : -1);
  if (c.type_vocab_size > 0)
    types_ = table_.embedding(embeddings, {"types", "token_type_embeddings"}, c.type_vocab_size, c.hidden_size);
  embedding_norm_ = table_.norm(embeddings, {"embedding_norm", "LayerNorm"}, c.hidden_size, c.layer_norm_eps);
  for (std::int64_t i = 0; i < c.layers; ++i) blocks_.emplace_back(c, table_, Section::block(i, hf.blocks), sites_);
  // In the files, RoBERTa's dense layer is part of its head; BERT's is part of the encoder.
  Section head = {.layer = c.layers,
                  .optional = true,
                  .trained_from = roberta ? TrainableLayers::kLastLayer : TrainableLayers::kLastBlock};
  dense_ = table_.linear(head, {"dense", hf.dense}, c.hidden_size, c.hidden_size);
  head.head = true;
  head.trained_from = TrainableLayers::kLastLayer;
  classifier_ = table_.linear(head, {"classifier", hf.classifier}, c.hidden_size, c.num_labels);
}

HfFiles BertClassifier::hf_files() const {
  HfFiles out{.prefix = tensor_names(config_.family).prefix,
              .ignored = {R"(embeddings\.position_ids)", R"(cls\..*)", R"(lm_head\..*)",
                          R"(vocab_(transform|layer_norm|projector)\..*)"}};
  if (config_.family == BertFamily::kRoberta) out.ignored.emplace_back(R"(pooler\.dense\..*)");
  return out;
}

std::int64_t BertClassifier::max_length() const {
  return config_.family == BertFamily::kRoberta ? config_.positions - config_.pad_token_id - 1 : config_.positions;
}

Tensor BertClassifier::position_ids(const TokenBatch& batch) const {
  if (config_.family != BertFamily::kRoberta) return batch.sequences.positions;
  return ops::position_ids(batch.ids, batch.sequences, static_cast<std::int32_t>(config_.pad_token_id));
}

Stream BertClassifier::embed(const TokenBatch& batch, const ForwardPass& pass) const {
  CHECK(batch.sequences.max_length <= max_length(), "a sequence of ", batch.sequences.max_length,
        " tokens, but the model has ", max_length(), " positions");
  EmbeddingInput types;
  if (config_.type_vocab_size > 0) {
    const bool given = batch.type_ids.defined();
    types = types_.lookup(given ? batch.type_ids : Tensor::zeros(batch.ids.shape(), DType::kInt32, batch.ids.device()));
  }
  const Variable sum = embedding(words_.lookup(batch.ids), positions_.lookup(position_ids(batch)), types);
  const Variable stream = dropout(pass.embedded(embedding_norm_(sum, sum.value().dtype())),
                                  pass.dropout(config_.hidden_dropout, embedding_site_, batch.sequences));
  return {stream, cast(stream, blocks_.front().qkv.dtype())};
}

Stream BertClassifier::block(const Block& block, const Stream& x, const TokenBatch& batch, const ForwardPass& pass,
                             Rows rows) const {
  const Sequences& sequences = batch.sequences;
  Variable attended = attention(block.qkv(x.normed, pass, sequences.row_keys), sequences,
                                {.heads = config_.heads,
                                 .causal = false,
                                 .window = -1,
                                 .dropout = pass.dropout(config_.attention_dropout, block.attention_site, sequences)});
  Variable residual = x.residual;
  Tensor keys = sequences.row_keys;
  if (rows == Rows::kFirst) {
    const ops::PooledSequences first = batch.pooled(PooledRows::kFirst);
    attended = pool(attended, first);
    residual = pool(residual, first);
    if (pass.training && (config_.hidden_dropout > 0 || drops(block.projection, block.fc, block.fc_out)))
      keys = batch.row_keys(PooledRows::kFirst);
  }
  const float projection_dropout = config_.family == BertFamily::kDistilBert ? 0 : config_.hidden_dropout;
  const ResidualNorm middle = block.attention_norm(residual, block.projection(attended, pass, keys),
                                                   pass.dropout(projection_dropout, block.projection_site, keys), true);
  const Variable mlp = block.fc_out(activation(block.fc(middle.normed, pass, keys), config_.activation), pass, keys);
  const ResidualNorm out =
      block.output_norm(middle.stream, mlp, pass.dropout(config_.hidden_dropout, block.mlp_site, keys), true);
  return {out.stream, out.normed};
}

Variable BertClassifier::encode(const TokenBatch& batch, const ForwardPass& pass, Rows last_rows) const {
  Stream x = embed(batch, pass);
  for (const Block& each : blocks_) {
    const Rows rows = &each == &blocks_.back() ? last_rows : Rows::kAll;
    x = run_block(x, pass,
                  [this, &each, batch, pass, rows](const Stream& in) { return block(each, in, batch, pass, rows); });
  }
  return x.residual;
}

Variable BertClassifier::hidden_states(const TokenBatch& batch, const ForwardPass& pass) const {
  return encode(batch, pass, Rows::kAll);
}

Variable BertClassifier::forward(const TokenBatch& batch, const ForwardPass& pass) const {
  Variable x = encode(batch, pass, Rows::kFirst);
  const bool drops = pass.training && config_.head_dropout > 0;
  const Tensor keys = drops ? batch.row_keys(PooledRows::kFirst) : Tensor();
  if (config_.family == BertFamily::kRoberta) x = dropout(x, pass.dropout(config_.head_dropout, dense_site_, keys));
  x = activation(dense_(x), config_.family == BertFamily::kDistilBert ? Activation::kRelu : Activation::kTanh);
  return classifier_(dropout(x, pass.dropout(config_.head_dropout, classifier_site_, keys)));
}

void BertClassifier::initialize_row(const ParameterRow& row, const Tensor& values, TorchGenerator& generator) const {
  if (row.role == Role::kBias) return ops::fill(InPlace(values), 0);
  if (row.role == Role::kNorm) return ops::fill(InPlace(values), 1);
  init::normal(generator, values, static_cast<float>(config_.initializer_range));
  for (const Embedding* table : {&words_, &positions_})
    if (table->weight.grad() == row.parameter.grad() && table->padding_id >= 0)
      ops::fill(InPlace(values.rows(table->padding_id, table->padding_id + 1)), 0);
}

void BertClassifier::initialize_head(TorchGenerator& generator) const {
  if (config_.family == BertFamily::kDistilBert) {
    init::normal(generator, classifier_.weight.value(), static_cast<float>(config_.initializer_range));
    ops::fill(InPlace(classifier_.bias.value()), 0);
  } else {
    init::torch_linear(generator, classifier_.weight.value(), classifier_.bias.value());
  }
}

}  // namespace attune
