#include "engine/optim/lr_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/check.h"
#include "base/join.h"

namespace attune {

LrSchedule LrSchedule::over(std::int64_t steps) const {
  LrSchedule out = *this;
  out.total_steps = steps;
  if (warmup_ratio > 0)
    out.warmup_steps = static_cast<std::int64_t>(std::ceil(warmup_ratio * static_cast<double>(steps)));
  return out;
}

double LrSchedule::at(std::int64_t step) const {
  const std::int64_t decay_steps = std::max<std::int64_t>(total_steps - warmup_steps, 1);
  const auto after = static_cast<double>(step - warmup_steps);
  if (step < warmup_steps) return peak * static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
  const auto cosine = [&](double p) { return peak * 0.5 * (1 + std::cos(std::numbers::pi * p)); };
  const double done = std::min(after / static_cast<double>(decay_steps), 1.0);
  switch (kind) {
    case Kind::kConstant:
      return peak;
    case Kind::kLinear:
      return peak * (1 - done);
    case Kind::kCosine:
      return cosine(done);
    case Kind::kCosineRestarts:
      if (done == 1) return 0;
      // In integers: a rounded product falls below a whole number, and a cosine would begin at its end.
      return cosine(static_cast<double>(cycles % decay_steps * (step - warmup_steps) % decay_steps) /
                    static_cast<double>(decay_steps));
    case Kind::kInverseSqrt: {
      const double scale = warmup_steps > 0 ? static_cast<double>(warmup_steps) : 1e4;
      return peak * std::sqrt(scale / (after + scale));
    }
  }
  return peak;
}

const std::vector<std::string>& lr_schedule_names() {
  static const std::vector<std::string> names = {"constant", "linear", "cosine", "cosine_restarts", "inverse_sqrt"};
  return names;
}

LrSchedule::Kind lr_schedule_kind(const std::string& name) {
  const auto found = std::ranges::find(lr_schedule_names(), name);
  CHECK(found != lr_schedule_names().end(), "unknown learning-rate schedule '", name, "'; there are ",
        join(lr_schedule_names()));
  return static_cast<LrSchedule::Kind>(found - lr_schedule_names().begin());
}

}  // namespace attune
