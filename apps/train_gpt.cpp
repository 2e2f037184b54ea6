// Fine-tunes GPT-2 for text classification: the reference recipe's train_gpt.py and additional_experiments.py as one
// program.
//
// Seeds are set at the same points as in the reference: before random weights, before the head, and before training.
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "apps/support/fine_tune.h"
#include "apps/support/flag_checks.h"
#include "apps/support/published.h"
#include "apps/support/run_training.h"
#include "apps/support/saved_tokenizer.h"
#include "apps/support/task_config.h"
#include "base/check.h"
#include "base/join.h"
#include "models/gpt2/gpt2.h"
#include "models/model_folder.h"
#include "models/weights.h"

namespace attune {
namespace {

struct GptFlags {
  TrainingFlags common;
  PublishedFlags published{.kind = Family::Kind::kDecoder, .model = "gpt2-small (124M)"};
  std::string weights = "pretrained", config, initializer = "torch";
  std::string token_pos;  // empty: that of the config, or last
  bool average_embeddings = false, disable_causal_mask = false, no_padding = false, compile = false;
  std::int64_t ignore_index = -100;

  void declare(CommandLine& app) {
    common.trainable_layers = "last_block";
    common.declare(app);
    Flag* size = published.declare(app, "--model_size")->excludes(common.model_dir_flag());
    app.add_option("--weights", weights, "pretrained or random")
        ->check(one_of({"pretrained", "random"}))
        ->capture_default_str()
        ->group("Model");
    app.add_option("--config", config, "config.json of a model that starts from random weights")
        ->excludes(size)
        ->group("Model");
    app.add_option("--initializer", initializer,
                   "Random weights: torch (PyTorch's defaults) or gpt2 (N(0, initializer_range))")
        ->check(one_of({"torch", "gpt2"}))
        ->capture_default_str()
        ->only_with("--weights", "random")
        ->group("Model");
    app.add_option(
           "--trainable_token_pos", token_pos,
           "Position that the head reads: first, last, or flexible (the last before the padding); default: that of "
           "the model's folder, or last")
        ->check(one_of({"first", "last", "flexible"}))
        ->group("Model");
    app.add_flag("--average_embeddings", average_embeddings,
                 "Mean over all positions instead of one (ignored when flexible); kept in the model's folder")
        ->group("Model");
    app.add_flag("--disable_causal_mask", disable_causal_mask,
                 "Every token attends to all others; kept in the model's folder")
        ->group("Model");
    app.add_flag(
           "--no_padding", no_padding,
           "Do not pad texts; needs --batch_size 1 or --batch_tokens. Texts are cut only at the model's positions: "
           "--context_length has no effect, as in the reference")
        ->group("Data");
    app.add_option("--ignore_index", ignore_index, "Has no effect, as in the reference")->group("Training");
    app.add_flag("--compile", compile, "Has no effect: attune is compiled already")->group("Training");
  }

  /// Nothing if no flag names it.
  std::optional<HeadPosition> position() const {
    if (token_pos.empty() && !average_embeddings) return std::nullopt;
    const HeadPosition named = token_pos.empty() ? HeadPosition::kLast : head_position(token_pos);
    return average_embeddings && named != HeadPosition::kFlexible ? HeadPosition::kMean : named;
  }
};

// Folder with the pretrained model, or nothing if random weights are wanted and no folder is named.
std::optional<std::string> model_folder(const GptFlags& flags) {
  if (!flags.common.model_dir.empty()) return flags.common.model_dir;
  if (flags.weights == "pretrained") return flags.published.folder();
  return std::nullopt;
}

// The config.json that describes the model; nothing if a published size does.
std::optional<json::Value> config_file(const GptFlags& flags, const std::optional<std::string>& folder) {
  if (!flags.config.empty()) return json::read(flags.config);
  if (folder) return read_model_config(*folder);
  return std::nullopt;
}

Gpt2Config model_config(const GptFlags& flags, const std::optional<json::Value>& file) {
  Gpt2Config config = file ? Gpt2Config::read(*file) : Gpt2Config::published(flags.published.model);
  // The reference trains without dropout and ignores the dropout of the checkpoint.
  config.embd_pdrop = config.attn_pdrop = config.resid_pdrop = static_cast<float>(std::max(flags.common.dropout, 0.0));
  return config;
}

// The options of reading that no flag says, where they are not the default: the config says them.
OptionValues taken_options(const GptFlags& flags, const Gpt2Options& options) {
  OptionValues out;
  if (!flags.position() && options.position == HeadPosition::kMean)
    out.emplace_back("--average_embeddings", "true");
  else if (!flags.position() && options.position != HeadPosition::kLast)
    out.emplace_back("--trainable_token_pos", name_of(options.position));
  if (!options.causal && !flags.disable_causal_mask) out.emplace_back("--disable_causal_mask", "true");
  return out;
}

// How the model reads a text: as the flags say, or else its config, `source`. Prints what is not the default but taken
// from there. Throws UsageError if a flag contradicts a head that is kept.
Gpt2Options reading_options(const GptFlags& flags, const std::optional<json::Value>& config, const std::string& source,
                            bool kept) {
  const Gpt2Options before = config ? kept_options(*config) : Gpt2Options{};
  const Gpt2Options out{.position = flags.position().value_or(before.position),
                        .causal = before.causal && !flags.disable_causal_mask};
  if (kept && out.position != before.position)
    throw UsageError(str_cat("--trainable_token_pos or --average_embeddings: the position would be ",
                             name_of(out.position), ", but the head of ", source, " was trained on ",
                             name_of(before.position), "; --fresh_head makes a new one"));
  if (kept && out.causal != before.causal)
    throw UsageError(str_cat("--disable_causal_mask: the head of ", source,
                             " was trained with the causal mask; --fresh_head makes a new one"));
  std::vector<std::string> words;
  for (const auto& [name, value] : taken_options(flags, out))
    words.push_back(value == "true" ? name : name + " " + value);
  if (!words.empty()) std::cout << "Taken from " << source << ": " << join(words) << std::endl;
  return out;
}

// A random or pretrained backbone, and a new head unless that of the file is kept.
void initialize(const Gpt2Classifier& model, const GptFlags& flags, const std::optional<std::string>& folder,
                const std::optional<json::Value>& config, Head head) {
  if (flags.weights == "random") {
    TorchGenerator generator(flags.common.seed);
    model.initialize(generator, flags.initializer == "torch" ? Initializer::kTorch : Initializer::kGpt2);
  } else {
    load_weights(model, *folder, *config, head);
  }
  if (head == Head::kFromFile) return;
  TorchGenerator generator(flags.common.seed);
  model.initialize_head(generator);
}

int train(const GptFlags& flags) {
  if (flags.published.list) return flags.published.print();
  TrainingFlags common = flags.common;
  if (flags.no_padding)
    common.context_length = "model_context_length";  // only texts that are too long for the model are cut
  common.apply();
  if (flags.no_padding && common.batch_size != 1 && common.batch_tokens == 0)
    throw UsageError("--no_padding needs --batch_size 1 or --batch_tokens");
  if (!flags.config.empty() && flags.weights != "random")
    throw UsageError("--config describes a model without weights: add --weights random");
  if (flags.initializer != GptFlags().initializer && flags.weights != "random")
    throw UsageError("--initializer needs --weights random");
  if (!flags.config.empty() && !common.tokenizer.empty() && !common.model_dir.empty())
    throw UsageError("--model_dir: nothing is read from it, with --config and --tokenizer beside it");

  const std::unique_ptr<LockedFolder> output = common.lock_output();
  const std::optional<std::string> folder = model_folder(flags);
  if (common.tokenizer.empty() && !folder)
    throw UsageError("random weights bring no tokenizer: name its folder with --tokenizer");
  const std::optional<json::Value> file = config_file(flags, folder);
  const Gpt2Config config = model_config(flags, file);
  // A tokenizer beside weights that are not read may be of another save.
  const std::string named = common.tokenizer.empty() && flags.weights == "random" ? *folder : common.tokenizer;
  const auto tokenizer = open_tokenizer(named, folder.value_or(""), config.vocab_size);
  if (file) common.windows.warn_of_cut(folder.value_or(flags.config), *file);
  const std::string problem_type = common.task.problem_type(file ? problem_type_of(*file) : "");
  common.find_columns();
  const auto labels = common.task.reader(problem_type);
  const TextSplits splits = common.read_splits(*tokenizer, *labels, config.n_positions);

  const bool kept =
      flags.weights == "pretrained" && keeps_head(*folder, *file, problem_type, labels->names(), common.fresh_head);
  Gpt2Options options = reading_options(flags, file, flags.config.empty() ? folder.value_or("") : flags.config, kept);
  options.num_labels = labels->outputs();
  Gpt2Classifier model(config, options);
  initialize(model, flags, folder, file, kept ? Head::kFromFile : Head::kFresh);
  common.add_lora(model);
  const std::int64_t length = flags.no_padding ? 0 : splits.max_length;
  // GPT-2 has no padding token: the last id, <|endoftext|>, is the padding.
  const std::int32_t pad =
      tokenizer->pad_id() >= 0 ? tokenizer->pad_id() : static_cast<std::int32_t>(config.vocab_size - 1);
  const BatchForm form{
      .max_length = length, .pad_id = pad, .packed = flags.no_padding, .windows = common.window_form()};
  const auto task = common.task.make(problem_type, *labels, splits.train.labels, kept ? file : std::nullopt,
                                     common.placement.device());
  return fine_tune({.model = model,
                    .task = *task,
                    .tokenizer = *tokenizer,
                    .train = splits.train,
                    .validation = splits.validation,
                    .test = splits.test,
                    .test_source = splits.sources[2],
                    .labels = *labels,
                    .context_length = splits.max_length,
                    .form = form,
                    .label_names = labels->names(),
                    .pretrained = flags.weights == "random" ? "" : *folder,
                    .repository = common.model_dir.empty() ? flags.published.repository() : "",
                    .more_inputs = {flags.config},
                    .taken = taken_options(flags, options)},
                   common);
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) {
  constexpr const char* kDescription = "Fine-tunes GPT-2 for text classification.";
  return attune::run_training<attune::GptFlags>({"train_gpt", kDescription}, argc, argv, attune::train);
}
