// Fine-tunes BERT-like encoders for text classification: the reference recipe's train_bert_hf.py.
//
// Packed by default: no result depends on masked padding, so only real tokens are computed.
#include <iostream>
#include <optional>

#include "apps/support/fine_tune.h"
#include "apps/support/flag_checks.h"
#include "apps/support/input_form.h"
#include "apps/support/published.h"
#include "apps/support/run_training.h"
#include "apps/support/saved_tokenizer.h"
#include "apps/support/task_config.h"
#include "base/check.h"
#include "models/model_folder.h"
#include "models/registry.h"

namespace attune {
namespace {

struct BertFlags {
  TrainingFlags common;
  PublishedFlags published{.kind = Family::Kind::kEncoder, .model = "distilbert"};
  std::string use_attention_mask;  // empty: as in the config, or true
  bool no_packing = false;

  void declare(CommandLine& app) {
    common.trainable_layers = "all";
    common.learning_rate = 5e-6;
    common.declare(app);
    published.declare(app, "--model")->excludes(common.model_dir_flag());
    app.add_option("--use_attention_mask", use_attention_mask,
                   "true, or false to let attention see the padding; default: as in the model's folder, or true")
        ->check(one_of_any_case({"true", "false"}))
        ->group("Model");
    app.add_flag("--no_packing", no_packing, "Pad every text to the context length, as the reference does")
        ->group("Data");
  }

  std::string folder() const { return common.model_dir.empty() ? published.folder() : common.model_dir; }
  /// Nothing if no flag says it.
  std::optional<bool> mask() const {
    if (use_attention_mask.empty()) return std::nullopt;
    return use_attention_mask == "true";
  }
};

// Whether padding is masked: as the flag says, or else the folder. Prints what is not the default but taken from there.
// Throws UsageError if the flag contradicts a head that is kept.
bool masks_padding(const BertFlags& flags, const std::string& folder, const json::Value& config, bool kept) {
  const bool before = !sees_padding(config), out = flags.mask().value_or(before);
  if (kept && out != before)
    throw UsageError(str_cat("--use_attention_mask ", flags.use_attention_mask, ": the head of ", folder,
                             " was trained ", before ? "with" : "without",
                             " the attention mask; --fresh_head makes a new one"));
  if (!out && !flags.mask()) std::cout << "Taken from " << folder << ": --use_attention_mask false" << std::endl;
  return out;
}

int train(const BertFlags& flags) {
  if (flags.published.list) return flags.published.print();
  TrainingFlags common = flags.common;
  common.apply();
  const std::unique_ptr<LockedFolder> output = common.lock_output();
  const std::string folder = flags.folder();
  const json::Value config = read_model_config(folder);
  const std::string problem_type = common.task.problem_type(problem_type_of(config));
  const ModelLimits limits = limits_of(config);
  const auto tokenizer = open_tokenizer(common.tokenizer, folder, limits.vocab_size);
  common.windows.warn_of_cut(folder, config);
  common.find_columns();
  const auto labels = common.task.reader(problem_type);
  const TextSplits splits = common.read_splits(*tokenizer, *labels, limits.max_length);

  TorchGenerator generator(common.seed);
  const bool kept = keeps_head(folder, config, problem_type, labels->names(), common.fresh_head);
  const bool mask = masks_padding(flags, folder, config, kept);
  ModelOptions options{.num_labels = labels->outputs(), .head = kept ? Head::kFromFile : Head::kFresh};
  if (common.dropout >= 0) options.dropout = static_cast<float>(common.dropout);
  const OpenedClassifier opened = open_classifier(folder, config, options, generator);
  common.add_lora(*opened.model);
  const Classifier& model = *opened.model;
  const auto task = common.task.make(problem_type, *labels, splits.train.labels,
                                     kept ? std::optional(config) : std::nullopt, common.placement.device());
  OptionValues taken;
  if (!flags.mask()) taken.emplace_back("--use_attention_mask", mask ? "true" : "false");
  return fine_tune({.model = model,
                    .task = *task,
                    .tokenizer = *tokenizer,
                    .train = splits.train,
                    .validation = splits.validation,
                    .test = splits.test,
                    .test_source = splits.sources[2],
                    .labels = *labels,
                    .context_length = splits.max_length,
                    .form = {.max_length = splits.max_length,
                             .pad_id = model.pad_id(),
                             .packed = mask && !flags.no_packing,
                             .mask = mask,
                             .windows = common.window_form()},
                    .label_names = labels->names(),
                    .pretrained = folder,
                    .repository = common.model_dir.empty() ? flags.published.repository() : "",
                    .taken = taken},
                   common);
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) {
  constexpr const char* kDescription = "Fine-tunes BERT, DistilBERT, RoBERTa or ModernBERT for text classification.";
  return attune::run_training<attune::BertFlags>({"train_bert", kDescription}, argc, argv, attune::train);
}
