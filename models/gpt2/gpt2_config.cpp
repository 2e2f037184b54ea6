// GPT-2's config.json, its published sizes, and the keys that GPT2ForSequenceClassification reads differently.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "base/join.h"
#include "base/printable.h"
#include "models/gpt2/gpt2.h"
#include "models/hf_config.h"

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
  for (const PublishedSize& published : kPublished)
    if (size == published.name) return published;
  const std::string known = join(kPublished, [](const PublishedSize& each) { return quoted(each.name); });
  throw UsageError("unknown model size '" + size + "'; the sizes are " + known);
}

std::unique_ptr<Classifier> build_gpt2(const json::Value& json, const ModelOptions& options) {
  Gpt2Config config = Gpt2Config::read(json);
  if (options.dropout) config.embd_pdrop = config.attn_pdrop = config.resid_pdrop = *options.dropout;
  Gpt2Options kept = kept_options(json);
  kept.num_labels = options.num_labels.value_or(num_labels_or(json, 2));
  kept.dtype = options.dtype;
  return std::make_unique<Gpt2Classifier>(config, kept);
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

Gpt2Options kept_options(const json::Value& config) {
  return {.position = head_position(config.string_or("attune_head_position", name_of(HeadPosition::kLast))),
          .causal = config.boolean_or("attune_causal", true)};
}

Gpt2Config Gpt2Config::read(const json::Value& config) {
  if (const std::string type = config.string_or("model_type", "gpt2"); type != "gpt2")
    config["model_type"].fail("is '" + printable(type) + "' where 'gpt2' is needed");
  Gpt2Config out;
  out.vocab_size = size_of(config, "vocab_size", kMaxRows);
  out.n_positions = size_of(config, "n_positions", kMaxRows);
  out.n_embd = size_of(config, "n_embd", kMaxWidth);
  out.n_layer = size_of(config, "n_layer", kMaxLayers);
  out.n_head = size_of(config, "n_head", kMaxWidth);
  out.n_inner = size_or(config, "n_inner", 4 * out.n_embd, 4 * kMaxWidth);
  out.layer_norm_epsilon = config.positive_or("layer_norm_epsilon", 1e-5);
  out.initializer_range = config.non_negative_or("initializer_range", 0.02);
  out.embd_pdrop = dropout_or(config, "embd_pdrop", 0.1);
  out.attn_pdrop = dropout_or(config, "attn_pdrop", 0.1);
  out.resid_pdrop = dropout_or(config, "resid_pdrop", 0.1);
  out.activation = activation_or(config, "activation_function", Activation::kGeluTanh);
  if (out.n_embd % out.n_head != 0)
    config.fail(str_cat("n_embd ", out.n_embd, " is not a multiple of n_head ", out.n_head));
  if (!config.boolean_or("scale_attn_weights", true)) config["scale_attn_weights"].fail("false is not supported");
  for (const char* key : {"scale_attn_by_inverse_layer_idx", "add_cross_attention"})
    if (config.boolean_or(key, false)) config[key].fail("true is not supported");
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

const Family& gpt2_family() {
  static const Family family = [] {
    Family out{.kind = Family::Kind::kDecoder, .model_types = {"gpt2"}, .build = build_gpt2, .published = {}};
    for (const PublishedSize& size : kPublished) {
      const std::string name = size.repository;
      out.published.push_back({size.name, {name, name.substr(name.find('/') + 1)}});
    }
    return out;
  }();
  return family;
}

double Gpt2Config::parameters() const {
  return parameter_count(vocab_size + n_positions, n_embd, n_layer, 2, n_inner);
}

json::Value Gpt2Config::to_json() const {
  return json::Value::object({{"model_type", "gpt2"},
                              {"vocab_size", vocab_size},
                              {"n_positions", n_positions},
                              {"n_embd", n_embd},
                              {"n_layer", n_layer},
                              {"n_head", n_head},
                              {"n_inner", n_inner},
                              {"layer_norm_epsilon", layer_norm_epsilon},
                              {"initializer_range", initializer_range},
                              {"embd_pdrop", embd_pdrop},
                              {"attn_pdrop", attn_pdrop},
                              {"resid_pdrop", resid_pdrop},
                              {"bos_token_id", vocab_size - 1},
                              {"eos_token_id", vocab_size - 1},
                              {"activation_function", hf_name(activation)}});
}

json::Value Gpt2Classifier::hf_config() const {
  json::Value config = config_.to_json();
  config.set("architectures", json::Value::array({"GPT2ForSequenceClassification"}));
  // In a padded batch GPT2ForSequenceClassification reads the last token that is not padding, like the flexible
  // position. Without a pad_token_id it reads the last position, like kLast.
  if (options_.position == HeadPosition::kFlexible) config.set("pad_token_id", config_.vocab_size - 1);
  config.set("attune_head_position", name_of(options_.position));
  if (!options_.causal) config.set("attune_causal", false);
  return config;
}

void Gpt2Classifier::adapt_for_export(std::map<std::string, Tensor>& tensors) const {
  const Tensor weight = tensors.at("score.weight").cast(DType::kFloat64),
               bias = tensors.at("score.bias").cast(DType::kFloat64);
  const std::int64_t classes = weight.shape()[0], channels = weight.shape()[1];
  if (classes > channels) return;  // W W^T has no full rank, and may be too large for the memory
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
  Tensor& shift = tensors.at("transformer.ln_f.bias");
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
