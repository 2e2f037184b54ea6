#include "bench/step_case.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <filesystem>
#include <random>

#include "base/join.h"
#include "engine/io/files.h"
#include "engine/io/safetensors.h"
#include "engine/nn/product_flops.h"
#include "models/hf_config.h"

namespace attune {
namespace {

// The shapes of the recipe's models. GPT-2 has no dropout there.
struct PublishedShape {
  const char *name, *trainable_layers, *config;
};
constexpr std::array<PublishedShape, 6> kShapes = {
    {{"gpt2", "all",
      R"({"model_type": "gpt2", "vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12,
          "embd_pdrop": 0, "attn_pdrop": 0, "resid_pdrop": 0})"},
     {"bert", "all",
      R"({"model_type": "bert", "vocab_size": 30522, "hidden_size": 768, "num_hidden_layers": 12,
          "num_attention_heads": 12, "intermediate_size": 3072, "max_position_embeddings": 512})"},
     {"distilbert", "all",
      R"({"model_type": "distilbert", "vocab_size": 30522, "dim": 768, "n_layers": 6, "n_heads": 12,
          "hidden_dim": 3072, "max_position_embeddings": 512})"},
     {"roberta-large", "last_block",
      R"({"model_type": "roberta", "vocab_size": 50265, "hidden_size": 1024, "num_hidden_layers": 24,
          "num_attention_heads": 16, "intermediate_size": 4096, "max_position_embeddings": 514, "type_vocab_size": 1,
          "layer_norm_eps": 1e-5, "pad_token_id": 1})"},
     {"modernbert-base", "all",
      R"({"model_type": "modernbert", "vocab_size": 50368, "hidden_size": 768, "num_hidden_layers": 22,
          "num_attention_heads": 12, "intermediate_size": 1152, "max_position_embeddings": 8192,
          "classifier_pooling": "mean"})"},
     {"modernbert-large", "all",
      R"({"model_type": "modernbert", "vocab_size": 50368, "hidden_size": 1024, "num_hidden_layers": 28,
          "num_attention_heads": 16, "intermediate_size": 2624, "max_position_embeddings": 8192,
          "classifier_pooling": "mean"})"}}};

// The model's config.json, its name, and what is trained of it if nothing else is asked for.
struct ModelShape {
  std::string name, trainable_layers;
  json::Value config;
};

// Throws UsageError if a size of gpt is given for another model.
void check_sizes(const CaseOptions& options) {
  const Gpt2Config &given = options.gpt, none = CaseOptions().gpt;
  const bool sized = given.n_layer != none.n_layer || given.n_embd != none.n_embd || given.n_head != none.n_head ||
                     given.vocab_size != none.vocab_size;
  if (sized && (options.model != "gpt" || !options.folder.empty()))
    throw UsageError("--layers, --width, --heads and --vocabulary need --model gpt");
}

ModelShape shape_of(const CaseOptions& options) {
  check_sizes(options);
  if (!options.folder.empty()) {
    const std::filesystem::path folder = std::filesystem::path(options.folder) / "";  // "a/b" and "a/b/" are b
    return {folder.parent_path().filename().string(), "all", json::read(options.folder + "/config.json")};
  }
  if (options.model == "gpt") {
    Gpt2Config gpt = options.gpt;
    if (gpt.n_inner == 0) gpt.n_inner = 4 * gpt.n_embd;
    return {str_cat("gpt ", gpt.n_layer, " x ", gpt.n_embd), "all", gpt.to_json()};
  }
  for (const PublishedShape& shape : kShapes)
    if (options.model == shape.name) return {shape.name, shape.trainable_layers, json::parse(shape.config, shape.name)};
  throw UsageError("--model '" + options.model + "' is unknown; the models are " + join(case_names()));
}

std::vector<std::int32_t> random_integers(std::int64_t n, std::int64_t below, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::vector<std::int32_t> out;
  for (std::int64_t i = 0; i < n; ++i)
    out.push_back(static_cast<std::int32_t>(engine() % static_cast<std::uint64_t>(below)));
  return out;
}

// Tokens of text `index` of `count` before it is cut. Those of a batch lie at even distances along the distribution of
// the IMDb reviews' lengths: percentiles of the 35,000 training reviews in BERT's tokens, straight between them.
std::int64_t imdb_length(std::int64_t index, std::int64_t count) {
  constexpr std::array<std::array<double, 2>, 9> kPercentiles = {
      {{0, 10}, {5, 85}, {25, 167}, {50, 231}, {75, 376}, {90, 608}, {95, 794}, {99, 1187}, {100, 3127}}};
  const double at = 100 * (static_cast<double>(index) + 0.5) / static_cast<double>(count);
  std::size_t i = 1;
  while (kPercentiles[i][0] < at) ++i;
  const auto& [left, low] = kPercentiles[i - 1];
  const auto& [right, high] = kPercentiles[i];
  return static_cast<std::int64_t>(low + (at - left) / (right - left) * (high - low));
}

Dataset random_texts(const CaseOptions& options, std::int64_t vocab_size, std::int64_t classes) {
  if (options.lengths != "full" && options.lengths != "imdb")
    throw UsageError("--lengths '" + options.lengths + "' is unknown; there are full and imdb");
  std::vector<std::vector<std::int32_t>> texts;
  for (std::int64_t b = 0; b < options.batch_size; ++b) {
    std::int64_t length = options.length;
    if (options.lengths == "imdb") length = std::min(length, imdb_length(b, options.batch_size));
    texts.push_back(random_integers(length, vocab_size, static_cast<std::uint64_t>(b) + 10));
  }
  const auto labels = Tensor::from(random_integers(options.batch_size, classes, 2), {options.batch_size});
  return Dataset::from("random texts", texts, labels);
}

// The folder's weights, if it has any; otherwise random ones, as the family starts.
std::unique_ptr<Classifier> filled_model(const json::Value& config, const CaseOptions& options) {
  TorchGenerator generator(123);
  const ModelOptions built{.dropout = options.dropout ? std::nullopt : std::optional<float>(0.0F)};
  if (!options.folder.empty() && std::filesystem::exists(options.folder + "/model.safetensors"))
    return open_classifier(options.folder, config, built, generator).model;
  auto model = build_classifier(config, built);
  if (!options.random) return model;
  std::vector<std::string> names;
  for (const ParameterRow& row : model->table().rows()) names.push_back(row.hf_name);
  initialize_rows(*model, names, generator);
  return model;
}

std::string description_of(const CaseOptions& options, const std::string& name, const std::string& trained) {
  std::string out = name;
  if (trained != "all") out += ", " + trained;
  out += str_cat(", batch ", options.batch_size, " x ", options.length);
  if (options.lengths != "full") out += ", " + options.lengths + " lengths";
  if (!options.dropout) out += ", no dropout";
  return out;
}

}  // namespace

void CaseOptions::declare(CLI::App& app) {
  const auto add = [&](const char* name, auto& value, const char* text) {
    return app.add_option(name, value, text)->capture_default_str();
  };
  CLI::Option* named = add("--model", model, "A published shape, or gpt: of the four sizes below");
  named->check(CLI::IsMember(case_names()));
  add("--layers", gpt.n_layer, "Transformer blocks of gpt");
  add("--width", gpt.n_embd, "Embedding width of gpt");
  add("--heads", gpt.n_head, "Attention heads of gpt");
  add("--vocabulary", gpt.vocab_size, "Vocabulary size of gpt");
  add("--model_dir", folder, "Folder with a config.json and, if it has any, weights, in place of --model")
      ->excludes(named);
  add("--batch_size", batch_size, "Texts per step")->check(CLI::PositiveNumber);
  add("--length", length, "Tokens per text")->check(CLI::PositiveNumber);
}

std::vector<std::string> case_names() {
  std::vector<std::string> out = {"gpt"};
  for (const PublishedShape& shape : kShapes) out.emplace_back(shape.name);
  return out;
}

StepCase make_case(const CaseOptions& options) {
  const ModelShape shape = shape_of(options);
  const std::string trained = options.trainable_layers.empty() ? shape.trainable_layers : options.trainable_layers;
  const TrainableLayers layers = trainable_layers(trained);
  const bool encoder = family_of(shape.config).kind == Family::Kind::kEncoder;
  StepCase out{.description = description_of(options, shape.name, trained),
               .trainable_layers = trained,
               .model = filled_model(shape.config, options),
               .form = {},
               .texts = {}};
  const Classifier& model = *out.model;
  CHECK(options.length <= model.max_length(), "--length ", options.length, " is more than the model's ",
        model.max_length(), " positions");
  set_trainable(model, layers);
  out.form = {.max_length = options.length, .pad_id = model.pad_id(), .packed = encoder, .mask = encoder};
  out.texts = random_texts(options, model.vocab_size(), model.num_labels());
  out.rows = encoder ? out.texts.ids.numel() : options.batch_size * options.length;
  return out;
}

double step_flops(const StepCase& step) {
  return static_cast<double>(step.rows) * product_flops(step.model->table());
}

void save_case(const StepCase& step, const std::string& folder) {
  create_folders(folder);
  const Classifier& model = *step.model;
  json::Value config = model.hf_config();
  set_label_names(config, complete_label_names({}, model.num_labels()));
  write_file(folder + "/config.json", config.dump(2) + "\n");

  std::vector<NamedTensor> tensors;  // unchanged: save_weights() would move the bias of GPT-2's head
  for_each_hf_tensor(
      model, [](const Parameter& parameter) { return parameter.value(); },
      [&](const std::string& name, const Tensor& values) {
        tensors.push_back({name, values});
      });
  write_safetensors(folder + "/model.safetensors", tensors, {{"format", "pt"}});

  const std::span<const std::int32_t> all = step.texts.ids.values<std::int32_t>();
  const std::span<const std::int64_t> starts = step.texts.starts.values<std::int64_t>();
  json::Value ids = json::Value::array(), trained = json::Value::array();
  for (std::size_t e = 0; e + 1 < starts.size(); ++e)
    ids.push_back(json::Value::array_of(
        all.subspan(static_cast<std::size_t>(starts[e]), static_cast<std::size_t>(starts[e + 1] - starts[e]))));
  for (const ParameterRow& row : model.table().rows())
    if (row.parameter.requires_grad()) trained.push_back(row.hf_name);
  const json::Value batch =
      json::Value::object({{"description", step.description},
                           {"ids", ids},
                           {"labels", json::Value::array_of(step.texts.labels.values<std::int32_t>())},
                           {"length", step.form.max_length},
                           {"pad_id", step.form.pad_id},
                           {"mask", step.form.mask},
                           {"trainable_layers", step.trainable_layers},
                           {"trained", trained}});
  write_file(folder + "/batch.json", batch.dump() + "\n");
}

}  // namespace attune
