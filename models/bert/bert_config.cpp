// config.json and published checkpoints of the three families.
#include <array>

#include "base/printable.h"
#include "models/bert/bert.h"
#include "models/hf_config.h"

namespace attune {
namespace {

// The names of the common keys in a family's config.json.
struct Spelling {
  BertFamily family;
  const char *model_type, *architecture;
  const char *hidden_size, *layers, *heads, *intermediate_size, *activation, *hidden_dropout, *attention_dropout,
      *head_dropout;
  std::int64_t pad_token_id;  // if the key is missing
};
constexpr std::array<Spelling, 3> kSpellings = {{
    {BertFamily::kBert, "bert", "BertForSequenceClassification", "hidden_size", "num_hidden_layers",
     "num_attention_heads", "intermediate_size", "hidden_act", "hidden_dropout_prob", "attention_probs_dropout_prob",
     "classifier_dropout", 0},
    {BertFamily::kDistilBert, "distilbert", "DistilBertForSequenceClassification", "dim", "n_layers", "n_heads",
     "hidden_dim", "activation", "dropout", "attention_dropout", "seq_classif_dropout", 0},
    {BertFamily::kRoberta, "roberta", "RobertaForSequenceClassification", "hidden_size", "num_hidden_layers",
     "num_attention_heads", "intermediate_size", "hidden_act", "hidden_dropout_prob", "attention_probs_dropout_prob",
     "classifier_dropout", 1},
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

// Refuses options that would change the arithmetic.
void check_bert_options(const json::Value& config) {
  if (const std::string kind = config.string_or("position_embedding_type", "absolute"); kind != "absolute")
    config["position_embedding_type"].fail("'" + printable(kind) + "' is not supported (absolute is)");
  for (const char* key : {"is_decoder", "add_cross_attention", "sinusoidal_pos_embds"})
    if (config.boolean_or(key, false)) config[key].fail("true is not supported");
}

std::unique_ptr<Classifier> build_bert(const json::Value& json, const ModelOptions& options) {
  BertConfig config = BertConfig::read(json);
  if (options.dropout) config.hidden_dropout = config.attention_dropout = config.head_dropout = *options.dropout;
  if (options.num_labels) config.num_labels = *options.num_labels;
  return std::make_unique<BertClassifier>(config, options.dtype);
}

}  // namespace

const Family& bert_family() {
  static const Family family = {
      .kind = Family::Kind::kEncoder,
      .model_types = {"bert", "distilbert", "roberta"},
      .build = build_bert,
      .published = {{"distilbert", {"distilbert-base-uncased", "distilbert/distilbert-base-uncased"}},
                    {"bert", {"bert-base-uncased", "google-bert/bert-base-uncased"}},
                    {"roberta", {"FacebookAI/roberta-large", "roberta-large"}}}};
  return family;
}

BertConfig BertConfig::read(const json::Value& config) {
  const Spelling& spelling = find_spelling(config);
  const bool distilled = spelling.family == BertFamily::kDistilBert;
  check_bert_options(config);
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

double BertConfig::parameters() const {
  return parameter_count(vocab_size + positions + type_vocab_size, hidden_size, layers, 2, intermediate_size);
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

}  // namespace attune
