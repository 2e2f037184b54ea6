#include "models/registry.h"

#include <algorithm>

#include "models/bert/bert.h"
#include "models/modernbert/modernbert.h"

namespace attune {
namespace {

std::unique_ptr<Classifier> build_gpt2(const ConfigReader& reader, const ModelOptions& options) {
  Gpt2Config config = Gpt2Config::read(reader);
  if (options.dropout) config.embd_pdrop = config.attn_pdrop = config.resid_pdrop = *options.dropout;
  const HeadPosition position = head_position(reader.text_or("attune_head_position", name_of(HeadPosition::kLast)));
  return std::make_unique<Gpt2Classifier>(
      config, Gpt2Options{.num_labels = options.num_labels.value_or(reader.num_labels_or(2)),
                          .position = options.position.value_or(position),
                          .causal = options.causal.value_or(reader.boolean_or("attune_causal", true)),
                          .dtype = options.dtype});
}

std::unique_ptr<Classifier> build_bert(const ConfigReader& reader, const ModelOptions& options) {
  BertConfig config = BertConfig::read(reader);
  if (options.dropout) config.hidden_dropout = config.attention_dropout = config.head_dropout = *options.dropout;
  if (options.num_labels) config.num_labels = *options.num_labels;
  return std::make_unique<BertClassifier>(config, options.dtype);
}

std::unique_ptr<Classifier> build_modernbert(const ConfigReader& reader, const ModelOptions& options) {
  ModernBertConfig config = ModernBertConfig::read(reader);
  if (options.dropout)
    config.attention_dropout = config.embedding_dropout = config.mlp_dropout = config.classifier_dropout =
        *options.dropout;
  if (options.num_labels) config.num_labels = *options.num_labels;
  return std::make_unique<ModernBertClassifier>(config, options.dtype);
}

}  // namespace

std::unique_ptr<Classifier> build_classifier(const ConfigReader& config, const ModelOptions& options) {
  const std::string type = config.text("model_type");
  if (type == "gpt2") return build_gpt2(config, options);
  if (type == "bert" || type == "distilbert" || type == "roberta") return build_bert(config, options);
  if (type == "modernbert") return build_modernbert(config, options);
  config.fail("the architecture '" + type + "' is not supported (gpt2, bert, distilbert, roberta, modernbert are)");
}

bool OpenedClassifier::complete() const {
  return std::ranges::none_of(report.missing, [](const std::string& name) { return name.ends_with(".weight"); });
}

OpenedClassifier open_classifier(const std::string& folder, const ModelOptions& options, TorchGenerator& generator) {
  const ConfigReader config = ConfigReader::from_file(folder + "/config.json");
  OpenedClassifier opened{
      .model = build_classifier(config, options), .label_names = config.label_names(), .report = {}};
  opened.report = load_weights(*opened.model, folder + "/model.safetensors", options.head);
  initialize_tensors(*opened.model, opened.report.missing, generator);
  if (options.head == Head::kFresh) opened.model->initialize_head(generator);
  return opened;
}

}  // namespace attune
