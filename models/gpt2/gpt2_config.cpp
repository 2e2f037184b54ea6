// GPT-2's config.json, its published sizes, and the spelling of its tensors in Hugging Face files.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "models/gpt2/gpt2.h"

namespace attune {
namespace {

struct PublishedSize {
  const char* name;
  const char* repository;
  std::int64_t n_embd, n_layer, n_head;
};
constexpr std::array<PublishedSize, 4> kPublished = {
    {{"gpt2-small (124M)", "openai-community/gpt2", 768, 12, 12},
     {"gpt2-medium (355M)", "openai-community/gpt2-medium", 1024, 24, 16},
     {"gpt2-large (774M)", "openai-community/gpt2-large", 1280, 36, 20},
     {"gpt2-xl (1558M)", "openai-community/gpt2-xl", 1600, 48, 25}}};

const PublishedSize& find_size(const std::string& size) {
  std::string known;
  for (const PublishedSize& published : kPublished) {
    if (size == published.name) return published;
    known += (known.empty() ? "'" : ", '") + std::string(published.name) + "'";
  }
  throw UsageError("unknown model size '" + size + "'; the sizes are " + known);
}

}  // namespace

const char* name_of(HeadPosition position) {
  switch (position) {
    case HeadPosition::kFirst:
      return "first";
    case HeadPosition::kLast:
      return "last";
    case HeadPosition::kFlexible:
      return "flexible";
    case HeadPosition::kMean:
      return "mean";
  }
  return "?";
}

HeadPosition head_position(const std::string& name) {
  for (const HeadPosition position :
       {HeadPosition::kFirst, HeadPosition::kLast, HeadPosition::kFlexible, HeadPosition::kMean})
    if (name == name_of(position)) return position;
  throw Error("unknown head position '" + name + "'; the positions are first, last, flexible, mean");
}

Gpt2Config Gpt2Config::read(const ConfigReader& config) {
  if (const std::string type = config.text_or("model_type", "gpt2"); type != "gpt2")
    config.fail("model_type is '" + type + "' where 'gpt2' is needed");
  Gpt2Config out;
  out.vocab_size = config.positive("vocab_size");
  out.n_positions = config.positive("n_positions");
  out.n_embd = config.positive("n_embd");
  out.n_layer = config.positive("n_layer");
  out.n_head = config.positive("n_head");
  out.n_inner = config.has("n_inner") ? config.positive("n_inner") : 4 * out.n_embd;
  out.layer_norm_epsilon = config.number_or("layer_norm_epsilon", 1e-5);
  out.initializer_range = config.number_or("initializer_range", 0.02);
  out.embd_pdrop = config.probability_or("embd_pdrop", 0.1);
  out.attn_pdrop = config.probability_or("attn_pdrop", 0.1);
  out.resid_pdrop = config.probability_or("resid_pdrop", 0.1);
  out.activation = config.activation_or("activation_function", Activation::kGeluTanh);
  if (out.n_embd % out.n_head != 0)
    config.fail(str_cat("n_embd ", out.n_embd, " is not a multiple of n_head ", out.n_head));
  if (!config.boolean_or("scale_attn_weights", true)) config.fail("scale_attn_weights false is not supported");
  if (config.boolean_or("scale_attn_by_inverse_layer_idx", false))
    config.fail("scale_attn_by_inverse_layer_idx true is not supported");
  if (config.boolean_or("add_cross_attention", false)) config.fail("add_cross_attention true is not supported");
  return out;
}

Gpt2Config Gpt2Config::published(const std::string& size) {
  const PublishedSize& found = find_size(size);
  Gpt2Config out;
  out.n_embd = found.n_embd;
  out.n_layer = found.n_layer;
  out.n_head = found.n_head;
  out.n_inner = 4 * found.n_embd;
  return out;
}

std::string Gpt2Config::repository(const std::string& size) {
  return find_size(size).repository;
}

const std::vector<std::string>& Gpt2Config::published_sizes() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out;
    for (const PublishedSize& published : kPublished) out.emplace_back(published.name);
    return out;
  }();
  return names;
}

std::string Gpt2Config::json() const {
  return changed_config("{}", {{"model_type", "\"gpt2\""},
                               {"vocab_size", std::to_string(vocab_size)},
                               {"n_positions", std::to_string(n_positions)},
                               {"n_embd", std::to_string(n_embd)},
                               {"n_layer", std::to_string(n_layer)},
                               {"n_head", std::to_string(n_head)},
                               {"n_inner", std::to_string(n_inner)},
                               {"layer_norm_epsilon", json_number(layer_norm_epsilon)},
                               {"initializer_range", json_number(initializer_range)},
                               {"embd_pdrop", json_number(embd_pdrop)},
                               {"attn_pdrop", json_number(attn_pdrop)},
                               {"resid_pdrop", json_number(resid_pdrop)},
                               {"bos_token_id", std::to_string(vocab_size - 1)},
                               {"eos_token_id", std::to_string(vocab_size - 1)},
                               {"activation_function", json_quote(hf_name(activation))}});
}

std::string Gpt2Classifier::hf_config(const std::vector<std::string>& label_names) const {
  // Only the flexible position reads what GPT2ForSequenceClassification reads in a padded batch: the last token that is
  // not padding. Without a pad_token_id that class reads the last position, which is what kLast does.
  ConfigChanges changes = label_changes(label_names);
  changes["architectures"] = R"(["GPT2ForSequenceClassification"])";
  if (options_.position == HeadPosition::kFlexible) changes["pad_token_id"] = std::to_string(config_.vocab_size - 1);
  changes["attune_head_position"] = json_quote(name_of(options_.position));
  if (!options_.causal) changes["attune_causal"] = "false";
  return changed_config(config_.json(), changes);
}

HfNaming Gpt2Classifier::hf_naming() const {
  HfNaming naming;
  naming.prefix = "transformer.";
  auto& tensors = naming.tensors;
  tensors.push_back({.name = "wte.weight", .parameter = "tokens.weight"});
  tensors.push_back({.name = "wpe.weight", .parameter = "positions.weight"});
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const std::string hf = "h." + std::to_string(i) + ".", at = "blocks." + std::to_string(i) + ".";
    const auto add = [&](const char* name, const char* parameter, bool conv1d) {
      tensors.push_back({.name = hf + name + ".weight", .parameter = at + parameter + ".weight", .transposed = conv1d});
      tensors.push_back({.name = hf + name + ".bias", .parameter = at + parameter + ".bias"});
    };
    add("ln_1", "norm1", false);
    add("attn.c_attn", "qkv", true);
    add("attn.c_proj", "projection", true);
    add("ln_2", "norm2", false);
    add("mlp.c_fc", "fc", true);
    add("mlp.c_proj", "fc_out", true);
  }
  tensors.push_back({.name = "ln_f.weight", .parameter = "final_norm.weight"});
  tensors.push_back({.name = "ln_f.bias", .parameter = "final_norm.bias"});
  tensors.push_back({.name = "score.weight", .parameter = "head.weight", .head = true, .optional = true});
  tensors.push_back({.name = "score.bias", .parameter = "head.bias", .head = true, .optional = true});
  naming.unprefixed = {"score.weight", "score.bias"};
  naming.ignored = {R"(h\.\d+\.attn\.(bias|masked_bias))", R"(lm_head\.weight)"};
  return naming;
}

void Gpt2Classifier::adapt_for_export(std::map<std::string, Tensor>& tensors) const {
  const Tensor weight = tensors.at("score.weight").cast(DType::kFloat64),
               bias = tensors.at("score.bias").cast(DType::kFloat64);
  const std::int64_t classes = weight.shape()[0], channels = weight.shape()[1];
  const double* w = weight.values<double>().data();
  // d = W^T z with (W W^T) z = bias, by elimination with the largest pivot.
  std::vector<std::vector<double>> rows(static_cast<std::size_t>(classes));
  for (std::int64_t i = 0; i < classes; ++i) {
    auto& row = rows[static_cast<std::size_t>(i)];
    for (std::int64_t j = 0; j < classes; ++j)
      row.push_back(std::inner_product(w + i * channels, w + (i + 1) * channels, w + j * channels, 0.0));
    row.push_back(bias.values<double>()[static_cast<std::size_t>(i)]);
  }
  const std::size_t n = rows.size();
  for (std::size_t k = 0; k < n; ++k) {
    std::iter_swap(rows.begin() + static_cast<std::ptrdiff_t>(k),
                   std::max_element(rows.begin() + static_cast<std::ptrdiff_t>(k), rows.end(),
                                    [k](const auto& a, const auto& b) { return std::abs(a[k]) < std::abs(b[k]); }));
    if (std::abs(rows[k][k]) < 1e-12) return;  // no unique solution: the bias stays where it is
    for (std::size_t i = 0; i < n; ++i) {
      const double factor = i == k ? 0 : rows[i][k] / rows[k][k];
      for (std::size_t j = k; j <= n; ++j) rows[i][j] -= factor * rows[k][j];
    }
  }
  Tensor& shift = tensors.at("ln_f.bias");
  const Tensor moved = shift.cast(DType::kFloat64).clone();
  for (std::int64_t i = 0; i < classes; ++i) {
    const double z =
        rows[static_cast<std::size_t>(i)][n] / rows[static_cast<std::size_t>(i)][static_cast<std::size_t>(i)];
    for (std::int64_t c = 0; c < channels; ++c)
      moved.values<double>()[static_cast<std::size_t>(c)] += z * w[i * channels + c];
  }
  shift = moved.cast(shift.dtype());
  tensors.erase("score.bias");
}

}  // namespace attune
