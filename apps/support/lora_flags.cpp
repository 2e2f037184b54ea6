#include "apps/support/lora_flags.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <vector>

#include "apps/support/command_line.h"
#include "apps/support/flag_checks.h"
#include "base/check.h"
#include "base/join.h"
#include "base/near_word.h"
#include "base/printable.h"

namespace attune {
namespace {

// The linear layers of a block that a target means.
const std::map<std::string, std::vector<std::string>>& targets_by_name() {
  static const std::map<std::string, std::vector<std::string>> targets = {
      {"all", {"qkv", "projection", "fc", "fc_out"}},
      {"attention", {"qkv", "projection"}},
      {"mlp", {"fc", "fc_out"}},
      {"qkv", {"qkv"}},
      {"projection", {"projection"}},
      {"fc", {"fc"}},
      {"fc_out", {"fc_out"}}};
  return targets;
}

std::vector<std::string> target_names() {
  std::vector<std::string> out;
  for (const auto& [name, layers] : targets_by_name()) out.push_back(name);
  return out;
}

std::vector<std::string> layers_of(const std::string& targets) {
  std::vector<std::string> out;
  std::istringstream in(targets);
  for (std::string name; std::getline(in, name, ',');) {
    const auto found = targets_by_name().find(name);
    if (found == targets_by_name().end())
      throw UsageError("--lora_targets: '" + printable(name) + "' is unknown; the targets are " + join(target_names()) +
                       did_you_mean(name, target_names()));
    for (const std::string& layer : found->second)
      if (std::ranges::find(out, layer) == out.end()) out.push_back(layer);
  }
  return out;
}

}  // namespace

void LoraFlags::declare(CommandLine& app, const std::string& group) {
  const auto add = [&](const char* name, auto& value, const char* text) {
    return app.add_option(name, value, text)
        ->capture_default_str()
        ->group(group)
        ->only_with("--trainable_layers", "lora");
  };
  add("--lora_rank", rank, "--trainable_layers lora: rank of the change of each layer")->check(count_from(1, 4096));
  add("--lora_alpha", alpha, "lora: the change is multiplied by alpha / rank")->check(positive());
  add("--lora_dropout", dropout, "lora: dropout probability of the inputs of the change, in [0, 1)")
      ->check(dropout_probability());
  add("--lora_targets", targets,
      "lora: the layers that get a change: attention (qkv,projection), mlp (fc,fc_out), all, or a list of these");
  app.add_option(
         "--save_adapter", adapter,
         "lora: folder for the changes and the head alone, which the peft library reads; --output has the whole model")
      ->group("Results");
}

void LoraFlags::check(bool trained) const {
  layers_of(targets);
  const LoraFlags none;
  if (!trained && (rank != none.rank || alpha != none.alpha || dropout != none.dropout || targets != none.targets ||
                   !adapter.empty()))
    throw UsageError(
        "--lora_rank, --lora_alpha, --lora_dropout, --lora_targets and --save_adapter need --trainable_layers lora");
}

LowRankSpec LoraFlags::spec() const {
  return {.rank = rank, .alpha = alpha, .dropout = static_cast<float>(dropout), .layers = layers_of(targets)};
}

}  // namespace attune
