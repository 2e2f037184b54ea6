// config.json of the three families, and the spelling of their tensors in Hugging Face files.
#include <array>

#include "base/printable.h"
#include "models/bert/bert.h"
#include "models/hf_config.h"

namespace attune {
namespace {

// How a family spells what all three have.
struct Spelling {
  BertFamily family;
  const char *model_type, *architecture;
  // config.json
  const char *hidden_size, *layers, *heads, *intermediate_size, *activation, *hidden_dropout, *attention_dropout,
      *head_dropout;
  std::int64_t pad_token_id;  // where the key is missing
  // tensors
  const char *layer, *query, *key, *value, *projection, *attention_norm, *fc, *fc_out, *output_norm, *dense,
      *classifier;
};
constexpr std::array<Spelling, 3> kSpellings = {{
    {BertFamily::kBert,
     "bert",
     "BertForSequenceClassification",
     "hidden_size",
     "num_hidden_layers",
     "num_attention_heads",
     "intermediate_size",
     "hidden_act",
     "hidden_dropout_prob",
     "attention_probs_dropout_prob",
     "classifier_dropout",
     0,
     "encoder.layer.",
     "attention.self.query",
     "attention.self.key",
     "attention.self.value",
     "attention.output.dense",
     "attention.output.LayerNorm",
     "intermediate.dense",
     "output.dense",
     "output.LayerNorm",
     "pooler.dense",
     "classifier"},
    {BertFamily::kDistilBert,
     "distilbert",
     "DistilBertForSequenceClassification",
     "dim",
     "n_layers",
     "n_heads",
     "hidden_dim",
     "activation",
     "dropout",
     "attention_dropout",
     "seq_classif_dropout",
     0,
     "transformer.layer.",
     "attention.q_lin",
     "attention.k_lin",
     "attention.v_lin",
     "attention.out_lin",
     "sa_layer_norm",
     "ffn.lin1",
     "ffn.lin2",
     "output_layer_norm",
     "pre_classifier",
     "classifier"},
    {BertFamily::kRoberta,
     "roberta",
     "RobertaForSequenceClassification",
     "hidden_size",
     "num_hidden_layers",
     "num_attention_heads",
     "intermediate_size",
     "hidden_act",
     "hidden_dropout_prob",
     "attention_probs_dropout_prob",
     "classifier_dropout",
     1,
     "encoder.layer.",
     "attention.self.query",
     "attention.self.key",
     "attention.self.value",
     "attention.output.dense",
     "attention.output.LayerNorm",
     "intermediate.dense",
     "output.dense",
     "output.LayerNorm",
     "classifier.dense",
     "classifier.out_proj"},
}};

const Spelling& spelling_of(BertFamily family) {
  return kSpellings[static_cast<std::size_t>(family)];
}

const Spelling& find_spelling(const json::Value& config) {
  const json::Value type = config["model_type"];
  for (const Spelling& spelling : kSpellings)
    if (type.string() == spelling.model_type) return spelling;
  type.fail("is '" + printable(type.string()) + "' where 'bert', 'distilbert' or 'roberta' is needed");
}

// Refuses what would change the arithmetic.
void check_supported(const json::Value& config) {
  if (const std::string kind = config.string_or("position_embedding_type", "absolute"); kind != "absolute")
    config["position_embedding_type"].fail("'" + printable(kind) + "' is not supported (absolute is)");
  for (const char* key : {"is_decoder", "add_cross_attention", "sinusoidal_pos_embds"})
    if (config.boolean_or(key, false)) config[key].fail("true is not supported");
}

}  // namespace

BertConfig BertConfig::read(const json::Value& config) {
  const Spelling& spelling = find_spelling(config);
  const bool distilled = spelling.family == BertFamily::kDistilBert;
  check_supported(config);
  BertConfig out;
  out.family = spelling.family;
  out.vocab_size = size_of(config, "vocab_size", kMaxRows);
  out.hidden_size = size_of(config, spelling.hidden_size, kMaxWidth);
  out.layers = size_of(config, spelling.layers, kMaxLayers);
  out.heads = size_of(config, spelling.heads, kMaxWidth);
  out.intermediate_size = size_of(config, spelling.intermediate_size, 4 * kMaxWidth);
  out.positions = size_of(config, "max_position_embeddings", kMaxRows);
  out.type_vocab_size = distilled ? 0 : size_or(config, "type_vocab_size", 2, kMaxRows);
  out.pad_token_id = token_id_or(config, "pad_token_id", spelling.pad_token_id, out.vocab_size);
  out.num_labels = num_labels_or(config, 2);
  out.layer_norm_eps = distilled ? 1e-12 : config.positive_or("layer_norm_eps", 1e-12);
  out.initializer_range = config.non_negative_or("initializer_range", 0.02);
  out.hidden_dropout = dropout_or(config, spelling.hidden_dropout, 0.1);
  out.attention_dropout = dropout_or(config, spelling.attention_dropout, 0.1);
  out.head_dropout = dropout_or(config, spelling.head_dropout, distilled ? 0.2 : out.hidden_dropout);
  out.activation = activation_or(config, spelling.activation, Activation::kGeluErf);
  if (out.hidden_size % out.heads != 0)
    config.fail(
        str_cat(spelling.hidden_size, " ", out.hidden_size, " is not a multiple of ", spelling.heads, " ", out.heads));
  if (out.family == BertFamily::kRoberta && out.pad_token_id + 1 >= out.positions)
    config.fail(str_cat("max_position_embeddings ", out.positions, " leaves no position beyond pad_token_id ",
                        out.pad_token_id));
  return out;
}

json::Value BertConfig::to_json() const {
  const Spelling& spelling = spelling_of(family);
  json::Value out = json::Value::object({{"model_type", spelling.model_type},
                                         {"vocab_size", vocab_size},
                                         {spelling.hidden_size, hidden_size},
                                         {spelling.layers, layers},
                                         {spelling.heads, heads},
                                         {spelling.intermediate_size, intermediate_size},
                                         {"max_position_embeddings", positions},
                                         {"pad_token_id", pad_token_id},
                                         {"initializer_range", initializer_range},
                                         {spelling.hidden_dropout, hidden_dropout},
                                         {spelling.attention_dropout, attention_dropout},
                                         {spelling.head_dropout, head_dropout},
                                         {spelling.activation, hf_name(activation)}});
  if (family == BertFamily::kDistilBert) {
    out.set("sinusoidal_pos_embds", false);
  } else {
    out.set("type_vocab_size", type_vocab_size);
    out.set("layer_norm_eps", layer_norm_eps);
    out.set("position_embedding_type", "absolute");
  }
  return out;
}

json::Value BertClassifier::hf_config() const {
  json::Value config = config_.to_json();
  config.set("architectures", json::Value::array({spelling_of(config_.family).architecture}));
  return config;
}

HfNaming BertClassifier::hf_naming() const {
  const Spelling& spelling = spelling_of(config_.family);
  HfNaming naming;
  naming.prefix = std::string(spelling.model_type) + ".";
  auto& tensors = naming.tensors;
  const auto add = [&](const std::string& name, const std::string& parameter) {
    for (const char* part : {".weight", ".bias"})
      tensors.push_back({.name = name + part, .parameter = parameter + part});
  };
  tensors.push_back({.name = "embeddings.word_embeddings.weight", .parameter = "words.weight"});
  tensors.push_back({.name = "embeddings.position_embeddings.weight", .parameter = "positions.weight"});
  if (config_.type_vocab_size > 0)
    tensors.push_back({.name = "embeddings.token_type_embeddings.weight", .parameter = "types.weight"});
  add("embeddings.LayerNorm", "embedding_norm");
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const std::string hf = spelling.layer + std::to_string(i) + ".", at = "blocks." + std::to_string(i) + ".";
    std::int64_t row = 0;
    for (const char* name : {spelling.query, spelling.key, spelling.value}) {
      for (const char* part : {".weight", ".bias"})
        tensors.push_back({.name = hf + name + part,
                           .parameter = at + "qkv" + part,
                           .row_begin = row,
                           .row_count = config_.hidden_size});
      row += config_.hidden_size;
    }
    add(hf + spelling.projection, at + "projection");
    add(hf + spelling.attention_norm, at + "attention_norm");
    add(hf + spelling.fc, at + "fc");
    add(hf + spelling.fc_out, at + "fc_out");
    add(hf + spelling.output_norm, at + "output_norm");
  }
  for (const char* part : {".weight", ".bias"})
    tensors.push_back(
        {.name = std::string(spelling.dense) + part, .parameter = std::string("dense") + part, .optional = true});
  for (const char* part : {".weight", ".bias"}) {
    tensors.push_back({.name = std::string(spelling.classifier) + part,
                       .parameter = std::string("classifier") + part,
                       .head = true,
                       .optional = true});
    naming.unprefixed.push_back(std::string(spelling.classifier) + part);
    if (config_.family != BertFamily::kBert) naming.unprefixed.push_back(std::string(spelling.dense) + part);
  }
  naming.ignored = {R"(embeddings\.position_ids)", R"(cls\..*)", R"(lm_head\..*)",
                    R"(vocab_(transform|layer_norm|projector)\..*)"};
  if (config_.family == BertFamily::kRoberta) naming.ignored.emplace_back(R"(pooler\.dense\..*)");
  return naming;
}

}  // namespace attune
