// Published checkpoints by name: the option that chooses one, and the folder of its weights on this machine.
#pragma once

#include <string>

#include "apps/support/command_line.h"
#include "models/registry.h"

namespace attune {

/// The published models of a kind: the option that chooses one, and --list_models.
struct PublishedFlags {
  Family::Kind kind;
  std::string model;  // the one chosen
  bool list = false;

  Flag* declare(CommandLine& app, const std::string& flag);
  /// Prints for each model a line: name, tab, repositories. Returns the program's exit code.
  int print() const;
  /// The id of the chosen model's repository.
  std::string repository() const;
  /// The chosen model's folder in the local Hugging Face cache (apps/support/hub.h).
  std::string folder() const;

 private:
  PublishedModel chosen() const;
};

}  // namespace attune
