#include "models/registry.h"

#include <algorithm>

#include "base/join.h"
#include "base/printable.h"
#include "models/bert/bert.h"
#include "models/gpt2/gpt2.h"
#include "models/hf_config.h"
#include "models/model_folder.h"
#include "models/modernbert/modernbert.h"

namespace attune {
namespace {

const std::vector<const Family*>& families() {
  static const std::vector<const Family*> all = {&gpt2_family(), &bert_family(), &modernbert_family()};
  return all;
}

}  // namespace

std::vector<PublishedModel> published_models(Family::Kind kind) {
  std::vector<PublishedModel> out;
  for (const Family* family : families())
    if (family->kind == kind) out.insert(out.end(), family->published.begin(), family->published.end());
  return out;
}

const Family& family_of(const json::Value& config) {
  const std::string& type = config["model_type"].string();
  for (const Family* family : families())
    if (std::ranges::count(family->model_types, type) > 0) return *family;
  const std::string known = join(families(), [](const Family* family) { return join(family->model_types); });
  config["model_type"].fail("the architecture '" + printable(type) + "' is not supported (" + known + " are)");
}

std::unique_ptr<Classifier> build_classifier(const json::Value& config, const ModelOptions& options) {
  check_own_keys(config);
  return family_of(config).build(config, options);
}

bool OpenedClassifier::complete() const {
  return std::ranges::none_of(report.missing, [](const std::string& name) { return name.ends_with(".weight"); });
}

OpenedClassifier open_classifier(const std::string& folder, const json::Value& config, const ModelOptions& options,
                                 TorchGenerator& generator) {
  OpenedClassifier opened{.model = build_classifier(config, options), .label_names = label_names(config), .report = {}};
  opened.report = load_weights(*opened.model, folder, config, options.head);
  initialize_rows(*opened.model, opened.report.missing, generator);
  if (options.head == Head::kFresh) opened.model->initialize_head(generator);
  return opened;
}

ModelLimits limits_of(const json::Value& config) {
  const auto model = build_classifier(config, {});  // its parameters are never filled
  return {model->max_length(), model->vocab_size()};
}

}  // namespace attune
