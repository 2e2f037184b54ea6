// The device and the precision of a model: --device, --precision and --attention of every program that runs one.
#pragma once

#include <string>
#include <vector>

#include "base/dtype.h"
#include "engine/nn/module.h"

namespace attune {

class CommandLine;

struct PlacementFlags {
  std::string device_name = "cpu", precision = "fp32", attention = "own";

  /// Declares the options in a group of the help text.
  void declare(CommandLine& app, const std::string& group);
  /// Prepares the device for the flags. Throws UsageError listing the valid names if one is unknown or the device has
  /// no such precision or attention, Error saying why if the device or cuDNN cannot be used.
  void prepare() const;
  bool operator==(const PlacementFlags&) const = default;
  Device device() const { return device_name == "cuda" ? Device::kCuda : Device::kCpu; }
  /// Moves a model of float32 parameters to the device; set which of them are trained before.
  void place_model(const Module& model) const;
  /// Values of these flags that would need less memory (apps/support/memory_advice.h).
  std::vector<std::string> memory_savers() const;
};

}  // namespace attune
