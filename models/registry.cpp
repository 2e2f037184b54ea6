#include "models/registry.h"

#include <algorithm>

#include "base/printable.h"
#include "models/bert/bert.h"
#include "models/hf_config.h"
#include "models/modernbert/modernbert.h"

namespace attune {
namespace {

std::unique_ptr<Classifier> build_gpt2(const json::Value& json, const ModelOptions& options) {
  Gpt2Config config = Gpt2Config::read(json);
  if (options.dropout) config.embd_pdrop = config.attn_pdrop = config.resid_pdrop = *options.dropout;
  const HeadPosition position = head_position(json.string_or("attune_head_position", name_of(HeadPosition::kLast)));
  return std::make_unique<Gpt2Classifier>(
      config, Gpt2Options{.num_labels = options.num_labels.value_or(num_labels_or(json, 2)),
                          .position = options.position.value_or(position),
                          .causal = options.causal.value_or(json.boolean_or("attune_causal", true)),
                          .dtype = options.dtype});
}

std::unique_ptr<Classifier> build_bert(const json::Value& json, const ModelOptions& options) {
  BertConfig config = BertConfig::read(json);
  if (options.dropout) config.hidden_dropout = config.attention_dropout = config.head_dropout = *options.dropout;
  if (options.num_labels) config.num_labels = *options.num_labels;
  return std::make_unique<BertClassifier>(config, options.dtype);
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

std::unique_ptr<Classifier> build_classifier(const json::Value& config, const ModelOptions& options) {
  if (const std::string problem = problem_type(config); problem != "single_label_classification")
    config["problem_type"].fail("'" + printable(problem) + "' is not supported (single_label_classification is)");
  const std::string& type = config["model_type"].string();
  if (type == "gpt2") return build_gpt2(config, options);
  if (type == "bert" || type == "distilbert" || type == "roberta") return build_bert(config, options);
  if (type == "modernbert") return build_modernbert(config, options);
  config["model_type"].fail("the architecture '" + printable(type) +
                            "' is not supported (gpt2, bert, distilbert, roberta, modernbert are)");
}

bool OpenedClassifier::complete() const {
  return std::ranges::none_of(report.missing, [](const std::string& name) { return name.ends_with(".weight"); });
}

OpenedClassifier open_classifier(const std::string& folder, const ModelOptions& options, TorchGenerator& generator) {
  const json::Value config = json::read(folder + "/config.json");
  OpenedClassifier opened{.model = build_classifier(config, options), .label_names = label_names(config), .report = {}};
  opened.report = load_weights(*opened.model, folder + "/model.safetensors", options.head);
  initialize_tensors(*opened.model, opened.report.missing, generator);
  if (options.head == Head::kFresh) opened.model->initialize_head(generator);
  return opened;
}

}  // namespace attune
