// The options of --trainable_layers lora: rank, alpha, dropout and targets, and the folder of the changes alone.
#pragma once

#include <cstdint>
#include <string>

#include "engine/nn/parameter_table.h"

namespace attune {

class CommandLine;

struct LoraFlags {
  std::int64_t rank = LowRankSpec().rank;
  double alpha = LowRankSpec().alpha, dropout = 0;
  std::string targets = "all";
  std::string adapter;  // folder for the changes alone; empty: none

  /// Declares the options in a group of the help text.
  void declare(CommandLine& app, const std::string& group);
  /// Throws UsageError if a target is unknown, or if an option has a value although no LoRA is trained.
  void check(bool trained) const;
  LowRankSpec spec() const;
};

}  // namespace attune
