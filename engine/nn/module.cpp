#include "engine/nn/module.h"

#include "base/check.h"

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

void place(const Module& module, Device device, DType dtype) {
  module.for_each_parameter([&](const std::string& name, const Parameter& parameter) {
    const Tensor& value = parameter.value();
    CHECK(value.dtype() == DType::kFloat32, "the parameter ", name, " is held in ", value.dtype(),
          "; only float32 ones can be placed");
    parameter.grad().clear();
    if (dtype == value.dtype() || parameter.rounding() == Parameter::Rounding::kNever)
      return parameter.set_value(value.to(device));
    parameter.set_master(parameter.requires_grad() ? value.to(device) : value);
    parameter.set_value(value.cast(dtype).to(device));
  });
}

}  // namespace attune
