#include "engine/optim/lr_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/check.h"

namespace attune {

double LrSchedule::at(std::int64_t step) const {
  if (step < warmup_steps) return peak * static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
  if (kind == Kind::kConstant) return peak;
  const double decay_steps = static_cast<double>(std::max<std::int64_t>(total_steps - warmup_steps, 1));
  const double done = std::min(static_cast<double>(step - warmup_steps) / decay_steps, 1.0);
  if (kind == Kind::kLinear) return peak * (1 - done);
  return peak * 0.5 * (1 + std::cos(std::numbers::pi * done));
}

const std::vector<std::string>& lr_schedule_names() {
  static const std::vector<std::string> names = {"constant", "linear", "cosine"};
  return names;
}

LrSchedule::Kind lr_schedule_kind(const std::string& name) {
  const auto found = std::ranges::find(lr_schedule_names(), name);
  CHECK(found != lr_schedule_names().end(), "unknown learning-rate schedule '", name,
        "'; there are constant, linear, cosine");
  return static_cast<LrSchedule::Kind>(found - lr_schedule_names().begin());
}

}  // namespace attune
