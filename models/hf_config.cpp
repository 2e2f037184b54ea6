#include "models/hf_config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/check.h"
#include "base/join.h"
#include "base/near_word.h"
#include "base/printable.h"

namespace attune {
namespace {

// The first name of each is the one written.
constexpr std::array<std::pair<const char*, Activation>, 5> kActivations = {
    {{"gelu", Activation::kGeluErf},
     {"gelu_new", Activation::kGeluTanh},
     {"gelu_pytorch_tanh", Activation::kGeluTanh},
     {"gelu_fast", Activation::kGeluTanh},
     {"relu", Activation::kRelu}}};

}  // namespace

std::int64_t size_of(const json::Value& config, const std::string& key, std::int64_t max) {
  return config[key].integer(1, max);
}

std::int64_t size_or(const json::Value& config, const std::string& key, std::int64_t fallback, std::int64_t max) {
  return config.integer_or(key, fallback, 1, max);
}

void check_own_keys(const json::Value& config) {
  static const std::vector<std::string> known = {"attune_save",           "attune_max_length",     "attune_fill",
                                                 "attune_mask_padding",   "attune_pad_id",         "attune_thresholds",
                                                 "attune_temperature",    "attune_head_position",  "attune_causal",
                                                 "attune_window_overlap", "attune_window_pooling", "attune_pairs"};
  config.for_each([&](const std::string& key, const json::Value&) {
    if (key.starts_with("attune_") && std::ranges::find(known, key) == known.end())
      config.fail(str_cat("the key '", printable(key), "' is unknown", did_you_mean(key, known)));
  });
}

double parameter_count(std::int64_t rows, std::int64_t width, std::int64_t blocks, int mlp, std::int64_t inner) {
  const auto wide = static_cast<double>(width);
  const double block = wide * (4 * wide + mlp * static_cast<double>(inner));
  return static_cast<double>(rows) * wide + static_cast<double>(blocks) * block;
}

float dropout_or(const json::Value& config, const std::string& key, double fallback) {
  return static_cast<float>(config.probability_or(key, fallback));
}

Activation activation_or(const json::Value& config, const std::string& key, Activation fallback) {
  const auto value = config.find(key);
  if (!value) return fallback;
  const std::string& name = value->string();
  for (const auto& [spelling, activation] : kActivations)
    if (name == spelling) return activation;
  const std::string known = join(kActivations, [](const auto& entry) { return entry.first; });
  value->fail(str_cat("'", printable(name), "' is not supported (", known, " are)"));
}

const char* hf_name(Activation activation) {
  for (const auto& [spelling, known] : kActivations)
    if (known == activation) return spelling;
  throw Error("this activation has no Hugging Face name");
}

std::int64_t token_id_or(const json::Value& config, const std::string& key, std::int64_t fallback,
                         std::int64_t vocab_size) {
  const std::int64_t id = config.integer_or(key, fallback);
  if (id < 0 || id >= vocab_size) config.fail(str_cat(key, " ", id, " is not one of the ", vocab_size, " ids"));
  return id;
}

std::int64_t num_labels_or(const json::Value& config, std::int64_t fallback) {
  const auto named = static_cast<std::int64_t>(label_names(config).size());
  if (!config.has("num_labels")) return named > 0 ? named : fallback;
  const std::int64_t counted = size_of(config, "num_labels", kMaxWidth);
  if (named != 0 && named != counted)
    config.fail(str_cat("num_labels is ", counted, ", but id2label names ", named, " classes"));
  return counted;
}

std::vector<std::string> label_names(const json::Value& config) {
  const auto names = config.find("id2label");
  if (!names) return {};
  std::vector<std::string> out(names->size());
  names->for_each([&](const std::string& id, const json::Value& name) {
    std::size_t index = out.size();
    const char* const end = id.data() + id.size();
    const bool whole = std::from_chars(id.data(), end, index).ptr == end;
    if (!whole || index >= out.size() || !name.is_string() || !out[index].empty())
      names->fail(str_cat("must map 0 .. ", out.size() - 1, " to names, found '", printable(id),
                          "': ", printable(name.dump())));
    out[index] = name.string();
  });
  return out;
}

void set_label_names(json::Value& config, const std::vector<std::string>& names) {
  std::vector<json::Value::Member> id2label, label2id;
  for (std::size_t id = 0; id < names.size(); ++id) {
    id2label.emplace_back(std::to_string(id), names[id]);
    label2id.emplace_back(names[id], id);
  }
  config.set("id2label", json::Value::object(std::move(id2label)));
  config.set("label2id", json::Value::object(std::move(label2id)));
  config.set("num_labels", names.size());
}

std::vector<std::string> complete_label_names(std::vector<std::string> names, std::int64_t num_labels) {
  for (auto i = static_cast<std::int64_t>(names.size()); i < num_labels; ++i)
    names.push_back("LABEL_" + std::to_string(i));
  return names;
}

}  // namespace attune
