// What a caller that makes several runs (apps/support/seed_runs.h) learns of each.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "apps/support/run_file.h"
#include "engine/train/task.h"
#include "json/value.h"

namespace attune {

struct RunHooks {
  /// Before the training; `model` is the digest of its config and input form. May throw Error to refuse them.
  std::function<void(const Splits& splits, const std::string& model)> begin;
  /// After the final evaluation: the measures of each split by name, as in run.json, and those to print.
  std::function<void(const json::Value& measures, const std::vector<Headline>& headlines)> end;
};

}  // namespace attune
