#include "models/adapter_folder.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "base/check.h"
#include "engine/io/safetensors.h"
#include "engine/tensor/finite.h"
#include "json/value.h"
#include "models/weights.h"

namespace attune {
namespace {

constexpr const char* kPrefix = "base_model.model.";  // of every name in the file

// "a.b.weight" -> "a.b".
std::string module_of(const std::string& tensor) {
  return tensor.substr(0, tensor.rfind('.'));
}

// The module that peft trains whole if this tensor is trained: for classification it always takes `classifier`, which
// in RoBERTa has layers of its own.
std::string saved_module_of(const std::string& tensor) {
  return tensor.starts_with("classifier.") ? "classifier" : module_of(tensor);
}

// The tensors that are trained whole, by name: those that the model trains, and those that exporting it changes.
std::map<std::string, Tensor> whole_tensors(const Classifier& model) {
  std::map<std::string, Tensor> before;
  for_each_hf_tensor(
      model, [](const Parameter& parameter) { return parameter.exact().to(Device::kCpu); },
      [&](const std::string& name, const Tensor& values) { before.emplace(name, values); });
  std::map<std::string, Tensor> after = before;
  model.adapt_for_export(after);
  std::set<std::string> modules;
  for (const ParameterRow& row : model.table().rows())
    if (row.role != Role::kLowRank && row.parameter.requires_grad()) modules.insert(saved_module_of(row.hf_name));
  for (const auto& [name, values] : after)
    if (values.raw() != before.at(name).raw()) modules.insert(saved_module_of(name));
  std::erase_if(after, [&](const auto& entry) { return !modules.contains(saved_module_of(entry.first)); });
  return after;
}

}  // namespace

FileSet adapter_files(const Classifier& model, const std::string& folder, const std::string& base_model) {
  std::map<std::string, Tensor> values;
  std::vector<std::string> targets;
  const LowRank* some = nullptr;
  bool transposed = false;
  for (const ParameterRow& row : model.table().rows()) {
    if (row.change == nullptr || !row.change->a.defined()) continue;
    some = row.change.get();
    transposed = row.transposed;
    const std::string module = module_of(row.hf_name);
    targets.push_back(module);
    values.emplace(kPrefix + module + ".lora_A.weight", some->a.exact().to(Device::kCpu));
    values.emplace(kPrefix + module + ".lora_B.weight", row.part_of(some->b.exact().to(Device::kCpu)));
  }
  CHECK(some != nullptr, "the model has no low-rank change to save");
  std::set<std::string> modules;
  for (const auto& [name, tensor] : whole_tensors(model)) {
    CHECK(name != "score.bias",
          "the bias of the head has no place in the Hugging Face class of GPT-2: save the whole "
          "model in place of its low-rank changes");
    modules.insert(saved_module_of(name));
    values.emplace(kPrefix + name, tensor);
  }
  std::vector<NamedTensor> tensors;
  for (const auto& [name, tensor] : values) {
    CHECK(all_finite(tensor), folder, ": not written: the tensor '", name, "' holds values that are not finite");
    tensors.push_back({name, tensor});
  }
  const std::int64_t rank = some->a.shape()[0];
  json::Value config = json::Value::object({{"peft_type", "LORA"},
                                            {"task_type", "SEQ_CLS"},
                                            {"base_model_name_or_path", base_model},
                                            {"r", rank},
                                            {"lora_alpha", some->scale * static_cast<double>(rank)},
                                            {"lora_dropout", static_cast<double>(some->dropout)},
                                            {"bias", "none"},
                                            {"fan_in_fan_out", transposed},
                                            {"inference_mode", true}});
  config.set("target_modules", json::Value::array_of(targets));
  config.set("modules_to_save", json::Value::array_of(modules));
  FileSet files(folder, "adapter_config.json");
  write_safetensors(files.add("adapter_model.safetensors"), tensors, {{"format", "pt"}});
  files.add("adapter_config.json", config.dump(2) + "\n");
  return files;
}

}  // namespace attune
