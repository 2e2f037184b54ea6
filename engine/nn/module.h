// Objects with parameters.
//
// A Module shows its parameters under dotted names ("blocks.3.qkv.weight") in a fixed order; freezing, optimising and
// counting are loops over them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/nn/parameter.h"

namespace attune {

class Module {
 public:
  using Visitor = std::function<void(const std::string& name, const Parameter& parameter)>;

  virtual ~Module() = default;
  /// Calls visit for every parameter, always in the same order.
  virtual void for_each_parameter(const Visitor& visit) const = 0;
};

/// A parameter with its dotted name.
struct NamedParameter {
  std::string name;
  Parameter parameter;
};
/// All parameters of a module; only those that require a gradient if `trainable_only`.
std::vector<NamedParameter> parameters_of(const Module& module, bool trainable_only = false);
/// Number of elements over all parameters of a module; only trainable ones if `trainable_only`.
std::int64_t parameter_count(const Module& module, bool trainable_only = false);
/// Makes exactly the parameters trainable for which `trainable(name)` holds.
void set_trainable(const Module& module, const std::function<bool(const std::string& name)>& trainable);

/// Moves the float32 parameters of a module to `device`. Where `dtype` is bfloat16, those that may be rounded are, and
/// their float32 values stay as masters (engine/nn/parameter.h): on the device if the parameter is trainable, on the
/// host if it is frozen. Gradients are dropped.
void place(const Module& module, Device device, DType dtype);

}  // namespace attune
