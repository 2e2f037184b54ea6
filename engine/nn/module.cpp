#include "engine/nn/module.h"

namespace attune {

std::vector<NamedParameter> parameters_of(const Module& module, bool trainable_only) {
  std::vector<NamedParameter> out;
  module.for_each_parameter([&](const std::string& name, const Parameter& parameter) {
    if (!trainable_only || parameter.requires_grad()) out.push_back({name, parameter});
  });
  return out;
}

std::int64_t parameter_count(const Module& module, bool trainable_only) {
  std::int64_t count = 0;
  for (const auto& [name, parameter] : parameters_of(module, trainable_only)) count += parameter.value().numel();
  return count;
}

void set_trainable(const Module& module, const std::function<bool(const std::string& name)>& trainable) {
  module.for_each_parameter(
      [&](const std::string& name, const Parameter& parameter) { parameter.set_requires_grad(trainable(name)); });
}

}  // namespace attune
