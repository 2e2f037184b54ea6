// ModernBERT's config.json, as transformers 4 and 5 write it, and the spelling of its tensors in Hugging Face files.
#include "models/modernbert/modernbert.h"

namespace attune {
namespace {

// Which layers are global: one name each (transformers 5), or every n-th (transformers 4).
std::vector<bool> read_layers(const ConfigReader& config) {
  const std::int64_t layers = config.positive("num_hidden_layers");
  std::vector<bool> global;
  if (!config.has("layer_types")) {
    const std::int64_t every =
        config.has("global_attn_every_n_layers") ? config.positive("global_attn_every_n_layers") : 3;
    for (std::int64_t i = 0; i < layers; ++i) global.push_back(i % every == 0);
    return global;
  }
  for (const std::string& type : config.texts("layer_types")) {
    if (type != "full_attention" && type != "sliding_attention")
      config.fail("layer_types has '" + type + "' (full_attention and sliding_attention are supported)");
    global.push_back(type == "full_attention");
  }
  if (static_cast<std::int64_t>(global.size()) != layers)
    config.fail(str_cat("layer_types has ", global.size(), " entries for num_hidden_layers ", layers));
  return global;
}

// The rotary base of a kind of layer: in rope_parameters (transformers 5), or under a key of its own (transformers 4).
double read_theta(const ConfigReader& config, const char* layer_type, const char* key, double fallback) {
  double theta = config.number_or(key, fallback);
  if (config.has("rope_parameters")) {
    const ConfigReader all = config.object("rope_parameters");
    if (all.has(layer_type)) {
      const ConfigReader rope = all.object(layer_type);
      if (const std::string type = rope.text_or("rope_type", "default"); type != "default")
        rope.fail("rope_type '" + type + "' is not supported (default is)");
      theta = rope.number_or("rope_theta", theta);
    }
  }
  if (!(theta > 0)) config.fail(str_cat("the rotary base of ", layer_type, " must be positive, found ", theta));
  return theta;
}

// Refuses what would change the arithmetic.
void check_supported(const ConfigReader& config) {
  if (const std::string kind = config.text_or("problem_type", "single_label_classification");
      kind != "single_label_classification")
    config.fail("problem_type '" + kind + "' is not supported (single_label_classification is)");
  for (const char* key : {"attention_bias", "mlp_bias", "norm_bias", "classifier_bias"})
    if (config.boolean_or(key, false)) config.fail(str_cat(key, " true is not supported"));
  if (config.has("rope_scaling")) config.fail("rope_scaling is not supported");
  if (const double cutoff = config.number_or("initializer_cutoff_factor", 2); cutoff != 2)
    config.fail(str_cat("initializer_cutoff_factor ", cutoff, " is not supported (2 is)"));
}

}  // namespace

ModernBertConfig ModernBertConfig::read(const ConfigReader& config) {
  if (const std::string type = config.text("model_type"); type != "modernbert")
    config.fail("model_type is '" + type + "' where 'modernbert' is needed");
  check_supported(config);
  ModernBertConfig out;
  out.vocab_size = config.positive("vocab_size");
  out.hidden_size = config.positive("hidden_size");
  out.heads = config.positive("num_attention_heads");
  out.intermediate_size = config.positive("intermediate_size");
  out.positions = config.positive("max_position_embeddings");
  out.global_layers = read_layers(config);
  out.local_attention = config.has("local_attention") ? config.positive("local_attention") : 128;
  out.global_theta = read_theta(config, "full_attention", "global_rope_theta", 160000);
  out.local_theta = read_theta(config, "sliding_attention", "local_rope_theta", 10000);
  out.pad_token_id = config.integer_or("pad_token_id", 50283);
  out.num_labels = config.num_labels_or(2);
  out.norm_eps = config.number_or("norm_eps", 1e-5);
  out.initializer_range = config.number_or("initializer_range", 0.02);
  out.attention_dropout = config.probability_or("attention_dropout", 0);
  out.embedding_dropout = config.probability_or("embedding_dropout", 0);
  out.mlp_dropout = config.probability_or("mlp_dropout", 0);
  out.classifier_dropout = config.probability_or("classifier_dropout", 0);
  out.hidden_activation = config.activation_or("hidden_activation", Activation::kGeluErf);
  out.classifier_activation = config.activation_or("classifier_activation", Activation::kGeluErf);
  const std::string pooling = config.text_or("classifier_pooling", "cls");
  if (pooling != "cls" && pooling != "mean")
    config.fail("classifier_pooling '" + pooling + "' is not supported (cls and mean are)");
  out.mean_pooling = pooling == "mean";
  if (out.hidden_size % (2 * out.heads) != 0)
    config.fail(str_cat("hidden_size ", out.hidden_size, " does not split into ", out.heads, " heads of even size"));
  if (out.pad_token_id < 0 || out.pad_token_id >= out.vocab_size)
    config.fail(str_cat("pad_token_id ", out.pad_token_id, " is not one of the ", out.vocab_size, " ids"));
  if (!(out.norm_eps > 0)) config.fail(str_cat("norm_eps must be positive, found ", out.norm_eps));
  if (!(out.initializer_range >= 0))
    config.fail(str_cat("initializer_range must not be negative, found ", out.initializer_range));
  return out;
}

std::string ModernBertConfig::json() const {
  std::string types;
  for (const bool global : global_layers)
    types += std::string(types.empty() ? "" : ",") + (global ? "\"full_attention\"" : "\"sliding_attention\"");
  const auto rope = [](double theta) { return R"({"rope_type":"default","rope_theta":)" + json_number(theta) + "}"; };
  ConfigChanges keys = {{"model_type", "\"modernbert\""},
                        {"vocab_size", std::to_string(vocab_size)},
                        {"hidden_size", std::to_string(hidden_size)},
                        {"num_hidden_layers", std::to_string(layers())},
                        {"num_attention_heads", std::to_string(heads)},
                        {"intermediate_size", std::to_string(intermediate_size)},
                        {"max_position_embeddings", std::to_string(positions)},
                        {"layer_types", "[" + types + "]"},
                        {"local_attention", std::to_string(local_attention)},
                        {"rope_parameters", "{\"full_attention\":" + rope(global_theta) +
                                                ",\"sliding_attention\":" + rope(local_theta) + "}"},
                        {"pad_token_id", std::to_string(pad_token_id)},
                        {"norm_eps", json_number(norm_eps)},
                        {"initializer_range", json_number(initializer_range)},
                        {"attention_dropout", json_number(attention_dropout)},
                        {"embedding_dropout", json_number(embedding_dropout)},
                        {"mlp_dropout", json_number(mlp_dropout)},
                        {"classifier_dropout", json_number(classifier_dropout)},
                        {"hidden_activation", json_quote(hf_name(hidden_activation))},
                        {"classifier_activation", json_quote(hf_name(classifier_activation))},
                        {"classifier_pooling", mean_pooling ? "\"mean\"" : "\"cls\""}};
  // The three keys of transformers 4 beside, where they can say the same: every n-th layer is global.
  std::int64_t every = 1;
  while (every < layers() && !global_layers[static_cast<std::size_t>(every)]) ++every;
  bool regular = true;
  for (std::int64_t i = 0; i < layers(); ++i)
    regular = regular && global_layers[static_cast<std::size_t>(i)] == (i % every == 0);
  if (regular) {
    keys["global_attn_every_n_layers"] = std::to_string(every);
    keys["global_rope_theta"] = json_number(global_theta);
    keys["local_rope_theta"] = json_number(local_theta);
  }
  return changed_config("{}", keys);
}

std::string ModernBertClassifier::hf_config(const std::vector<std::string>& label_names) const {
  ConfigChanges changes = label_changes(label_names);
  changes["architectures"] = R"(["ModernBertForSequenceClassification"])";
  changes["problem_type"] = "\"single_label_classification\"";
  return changed_config(config_.json(), changes);
}

HfNaming ModernBertClassifier::hf_naming() const {
  HfNaming naming;
  naming.prefix = "model.";
  auto& tensors = naming.tensors;
  tensors.push_back({.name = "embeddings.tok_embeddings.weight", .parameter = "tokens.weight"});
  tensors.push_back({.name = "embeddings.norm.weight", .parameter = "embedding_norm.weight"});
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const std::string hf = "layers." + std::to_string(i) + ".", at = "blocks." + std::to_string(i) + ".";
    if (blocks_[i].attention_norm)
      tensors.push_back({.name = hf + "attn_norm.weight", .parameter = at + "attention_norm.weight"});
    tensors.push_back({.name = hf + "attn.Wqkv.weight", .parameter = at + "qkv.weight"});
    tensors.push_back({.name = hf + "attn.Wo.weight", .parameter = at + "projection.weight"});
    tensors.push_back({.name = hf + "mlp_norm.weight", .parameter = at + "mlp_norm.weight"});
    tensors.push_back({.name = hf + "mlp.Wi.weight", .parameter = at + "fc.weight"});
    tensors.push_back({.name = hf + "mlp.Wo.weight", .parameter = at + "fc_out.weight"});
  }
  tensors.push_back({.name = "final_norm.weight", .parameter = "final_norm.weight"});
  for (const auto& [name, parameter] : {std::pair<const char*, const char*>{"head.dense.weight", "dense.weight"},
                                        {"head.norm.weight", "head_norm.weight"},
                                        {"classifier.weight", "classifier.weight"},
                                        {"classifier.bias", "classifier.bias"}}) {
    tensors.push_back({.name = name,
                       .parameter = parameter,
                       .head = std::string(parameter).starts_with("classifier."),
                       .optional = true});
    naming.unprefixed.emplace_back(name);
  }
  naming.ignored = {R"(decoder\.(weight|bias))", R"(.*rotary_emb\..*inv_freq)"};
  return naming;
}

}  // namespace attune
