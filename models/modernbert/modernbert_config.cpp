// ModernBERT's config.json, as transformers 4 and 5 write it, and its published checkpoints.
#include "base/printable.h"
#include "models/hf_config.h"
#include "models/modernbert/modernbert.h"

namespace attune {
namespace {

// Which layers are global: one name each (transformers 5), or every n-th (transformers 4).
std::vector<bool> read_layers(const json::Value& config) {
  const std::int64_t layers = size_of(config, "num_hidden_layers", kMaxLayers);
  std::vector<bool> global;
  const auto types = config.find("layer_types");
  if (!types) {
    const std::int64_t every = size_or(config, "global_attn_every_n_layers", 3, kMaxLayers);
    for (std::int64_t i = 0; i < layers; ++i) global.push_back(i % every == 0);
    return global;
  }
  for (const json::Value& type : types->items()) {
    global.push_back(type.string() == "full_attention");
    if (!global.back() && type.string() != "sliding_attention")
      type.fail("'" + printable(type.string()) + "' is not supported (full_attention and sliding_attention are)");
  }
  if (static_cast<std::int64_t>(global.size()) != layers)
    types->fail(str_cat("has ", global.size(), " entries for num_hidden_layers ", layers));
  return global;
}

// The rotary base of a kind of layer: in rope_parameters (transformers 5), or under a separate key (transformers 4).
double read_theta(const json::Value& config, const char* layer_type, const char* key, double fallback) {
  const double theta = config.positive_or(key, fallback);
  const auto all = config.find("rope_parameters");
  const auto rope = all ? all->find(layer_type) : std::nullopt;
  if (!rope) return theta;
  if (const std::string type = rope->string_or("rope_type", "default"); type != "default")
    (*rope)["rope_type"].fail("'" + printable(type) + "' is not supported (default is)");
  return rope->positive_or("rope_theta", theta);
}

// Refuses options that would change the arithmetic.
void check_modernbert_options(const json::Value& config) {
  for (const char* key : {"attention_bias", "mlp_bias", "norm_bias", "classifier_bias"})
    if (config.boolean_or(key, false)) config[key].fail("true is not supported");
  if (const auto scaling = config.find("rope_scaling")) scaling->fail("is not supported");
  if (const double cutoff = config.number_or("initializer_cutoff_factor", 2); cutoff != 2)
    config["initializer_cutoff_factor"].fail(str_cat(cutoff, " is not supported (2 is)"));
}

std::unique_ptr<Classifier> build_modernbert(const json::Value& json, const ModelOptions& options) {
  ModernBertConfig config = ModernBertConfig::read(json);
  if (options.dropout)
    config.attention_dropout = config.embedding_dropout = config.mlp_dropout = config.classifier_dropout =
        *options.dropout;
  if (options.num_labels) config.num_labels = *options.num_labels;
  return std::make_unique<ModernBertClassifier>(config, options.dtype);
}

}  // namespace

const Family& modernbert_family() {
  static const Family family = {.kind = Family::Kind::kEncoder,
                                .model_types = {"modernbert"},
                                .build = build_modernbert,
                                .published = {{"modernbert-base", {"answerdotai/ModernBERT-base"}},
                                              {"modernbert-large", {"answerdotai/ModernBERT-large"}}}};
  return family;
}

ModernBertConfig ModernBertConfig::read(const json::Value& config) {
  if (const json::Value type = config["model_type"]; type.string() != "modernbert")
    type.fail("is '" + printable(type.string()) + "' where 'modernbert' is needed");
  check_modernbert_options(config);
  ModernBertConfig out;
  out.vocab_size = size_of(config, "vocab_size", kMaxRows);
  out.hidden_size = size_of(config, "hidden_size", kMaxWidth);
  out.heads = size_of(config, "num_attention_heads", kMaxWidth);
  out.intermediate_size = size_of(config, "intermediate_size", 4 * kMaxWidth);
  out.positions = size_of(config, "max_position_embeddings", kMaxRows);
  out.global_layers = read_layers(config);
  out.local_attention = size_or(config, "local_attention", 128, kMaxRows);
  out.global_theta = read_theta(config, "full_attention", "global_rope_theta", 160000);
  out.local_theta = read_theta(config, "sliding_attention", "local_rope_theta", 10000);
  out.pad_token_id = token_id_or(config, "pad_token_id", 50283, out.vocab_size);
  out.num_labels = num_labels_or(config, 2);
  out.norm_eps = config.positive_or("norm_eps", 1e-5);
  out.initializer_range = config.non_negative_or("initializer_range", 0.02);
  out.attention_dropout = dropout_or(config, "attention_dropout", 0);
  out.embedding_dropout = dropout_or(config, "embedding_dropout", 0);
  out.mlp_dropout = dropout_or(config, "mlp_dropout", 0);
  out.classifier_dropout = dropout_or(config, "classifier_dropout", 0);
  out.hidden_activation = activation_or(config, "hidden_activation", Activation::kGeluErf);
  out.classifier_activation = activation_or(config, "classifier_activation", Activation::kGeluErf);
  const std::string pooling = config.string_or("classifier_pooling", "cls");
  if (pooling != "cls" && pooling != "mean")
    config["classifier_pooling"].fail("'" + printable(pooling) + "' is not supported (cls and mean are)");
  out.mean_pooling = pooling == "mean";
  if (out.hidden_size % (2 * out.heads) != 0)
    config.fail(str_cat("hidden_size ", out.hidden_size, " does not split into ", out.heads, " heads of even size"));
  return out;
}

// With the three keys of transformers 4, if they can express the same: every n-th layer is global.
static void set_older_keys(const ModernBertConfig& config, json::Value& out) {
  const std::int64_t layers = config.layers();
  const auto global = [&](std::int64_t i) { return config.global_layers[static_cast<std::size_t>(i)]; };
  std::int64_t every = 1;
  while (every < layers && !global(every)) ++every;
  for (std::int64_t i = 0; i < layers; ++i)
    if (global(i) != (i % every == 0)) return;
  out.set("global_attn_every_n_layers", every);
  out.set("global_rope_theta", config.global_theta);
  out.set("local_rope_theta", config.local_theta);
}

double ModernBertConfig::parameters() const {
  return parameter_count(vocab_size, hidden_size, layers(), 3, intermediate_size);
}

json::Value ModernBertConfig::to_json() const {
  json::Value types = json::Value::array();
  for (const bool global : global_layers) types.push_back(global ? "full_attention" : "sliding_attention");
  const auto rope = [](double theta) { return json::Value::object({{"rope_type", "default"}, {"rope_theta", theta}}); };
  json::Value out = json::Value::object(
      {{"model_type", "modernbert"},
       {"vocab_size", vocab_size},
       {"hidden_size", hidden_size},
       {"num_hidden_layers", layers()},
       {"num_attention_heads", heads},
       {"intermediate_size", intermediate_size},
       {"max_position_embeddings", positions},
       {"layer_types", types},
       {"local_attention", local_attention},
       {"rope_parameters",
        json::Value::object({{"full_attention", rope(global_theta)}, {"sliding_attention", rope(local_theta)}})},
       {"pad_token_id", pad_token_id},
       {"norm_eps", norm_eps},
       {"initializer_range", initializer_range},
       {"attention_dropout", attention_dropout},
       {"embedding_dropout", embedding_dropout},
       {"mlp_dropout", mlp_dropout},
       {"classifier_dropout", classifier_dropout},
       {"hidden_activation", hf_name(hidden_activation)},
       {"classifier_activation", hf_name(classifier_activation)},
       {"classifier_pooling", mean_pooling ? "mean" : "cls"}});
  set_older_keys(*this, out);
  return out;
}

json::Value ModernBertClassifier::hf_config() const {
  json::Value config = config_.to_json();
  config.set("architectures", json::Value::array({"ModernBertForSequenceClassification"}));
  return config;
}

}  // namespace attune
