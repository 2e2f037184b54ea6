// config.json of the three families, and the spelling of their tensors in Hugging Face files.
#include <array>

#include "models/bert/bert.h"

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

const Spelling& find_spelling(const ConfigReader& config) {
  const std::string type = config.text("model_type");
  for (const Spelling& spelling : kSpellings)
    if (type == spelling.model_type) return spelling;
  config.fail("model_type is '" + type + "' where 'bert', 'distilbert' or 'roberta' is needed");
}

// Refuses what would change the arithmetic.
void check_supported(const ConfigReader& config) {
  if (const std::string kind = config.text_or("position_embedding_type", "absolute"); kind != "absolute")
    config.fail("position_embedding_type '" + kind + "' is not supported (absolute is)");
  if (const std::string kind = config.text_or("problem_type", "single_label_classification");
      kind != "single_label_classification")
    config.fail("problem_type '" + kind + "' is not supported (single_label_classification is)");
  for (const char* key : {"is_decoder", "add_cross_attention", "sinusoidal_pos_embds"})
    if (config.boolean_or(key, false)) config.fail(str_cat(key, " true is not supported"));
}

}  // namespace

BertConfig BertConfig::read(const ConfigReader& config) {
  const Spelling& spelling = find_spelling(config);
  const bool distilled = spelling.family == BertFamily::kDistilBert;
  check_supported(config);
  BertConfig out;
  out.family = spelling.family;
  out.vocab_size = config.positive("vocab_size");
  out.hidden_size = config.positive(spelling.hidden_size);
  out.layers = config.positive(spelling.layers);
  out.heads = config.positive(spelling.heads);
  out.intermediate_size = config.positive(spelling.intermediate_size);
  out.positions = config.positive("max_position_embeddings");
  out.type_vocab_size = distilled ? 0 : config.has("type_vocab_size") ? config.positive("type_vocab_size") : 2;
  out.pad_token_id = config.integer_or("pad_token_id", spelling.pad_token_id);
  out.num_labels = config.num_labels_or(2);
  out.layer_norm_eps = distilled ? 1e-12 : config.number_or("layer_norm_eps", 1e-12);
  out.initializer_range = config.number_or("initializer_range", 0.02);
  out.hidden_dropout = config.probability_or(spelling.hidden_dropout, 0.1);
  out.attention_dropout = config.probability_or(spelling.attention_dropout, 0.1);
  out.head_dropout = config.probability_or(spelling.head_dropout, distilled ? 0.2 : out.hidden_dropout);
  out.activation = config.activation_or(spelling.activation, Activation::kGeluErf);
  if (out.hidden_size % out.heads != 0)
    config.fail(
        str_cat(spelling.hidden_size, " ", out.hidden_size, " is not a multiple of ", spelling.heads, " ", out.heads));
  if (out.pad_token_id < 0 || out.pad_token_id >= out.vocab_size)
    config.fail(str_cat("pad_token_id ", out.pad_token_id, " is not one of the ", out.vocab_size, " ids"));
  if (out.family == BertFamily::kRoberta && out.pad_token_id + 1 >= out.positions)
    config.fail(str_cat("max_position_embeddings ", out.positions, " leaves no position beyond pad_token_id ",
                        out.pad_token_id));
  if (!(out.layer_norm_eps > 0)) config.fail(str_cat("layer_norm_eps must be positive, found ", out.layer_norm_eps));
  if (!(out.initializer_range >= 0))
    config.fail(str_cat("initializer_range must not be negative, found ", out.initializer_range));
  return out;
}

std::string BertConfig::json() const {
  const Spelling& spelling = spelling_of(family);
  ConfigChanges keys = {{"model_type", json_quote(spelling.model_type)},
                        {"vocab_size", std::to_string(vocab_size)},
                        {spelling.hidden_size, std::to_string(hidden_size)},
                        {spelling.layers, std::to_string(layers)},
                        {spelling.heads, std::to_string(heads)},
                        {spelling.intermediate_size, std::to_string(intermediate_size)},
                        {"max_position_embeddings", std::to_string(positions)},
                        {"pad_token_id", std::to_string(pad_token_id)},
                        {"initializer_range", json_number(initializer_range)},
                        {spelling.hidden_dropout, json_number(hidden_dropout)},
                        {spelling.attention_dropout, json_number(attention_dropout)},
                        {spelling.head_dropout, json_number(head_dropout)},
                        {spelling.activation, json_quote(hf_name(activation))}};
  if (family == BertFamily::kDistilBert) {
    keys["sinusoidal_pos_embds"] = "false";
  } else {
    keys["type_vocab_size"] = std::to_string(type_vocab_size);
    keys["layer_norm_eps"] = json_number(layer_norm_eps);
    keys["position_embedding_type"] = "\"absolute\"";
  }
  return changed_config("{}", keys);
}

std::string BertClassifier::hf_config(const std::vector<std::string>& label_names) const {
  ConfigChanges changes = label_changes(label_names);
  changes["architectures"] = "[" + json_quote(spelling_of(config_.family).architecture) + "]";
  changes["problem_type"] = "\"single_label_classification\"";
  return changed_config(config_.json(), changes);
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
