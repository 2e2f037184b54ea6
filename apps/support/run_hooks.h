// What a caller that makes several runs (apps/support/seed_runs.h) learns of each.
#pragma once

#include <functional>
#include <vector>

#include "apps/support/run_file.h"
#include "engine/train/task.h"
#include "json/value.h"

namespace attune {

struct RunHooks {
  /// Before the training. May throw Error to refuse the data.
  std::function<void(const Splits& splits)> begin;
  /// After the final evaluation: the measures of each split by name, as in run.json, and those to print.
  std::function<void(const json::Value& measures, const std::vector<Headline>& headlines)> end;
};

}  // namespace attune
