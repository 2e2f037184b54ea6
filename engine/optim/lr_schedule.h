// The learning rate as a function of the optimizer step: constant, or a linear or cosine decay to zero; each may start
// with a linear warm-up.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace attune {

struct LrSchedule {
  enum class Kind : std::uint8_t { kConstant, kLinear, kCosine };

  Kind kind = Kind::kConstant;
  double peak = 5e-5;
  std::int64_t warmup_steps = 0;
  std::int64_t total_steps = 0;  // where a decaying schedule reaches zero

  /// Learning rate of optimizer step `step`, counted from 0.
  double at(std::int64_t step) const;
};

/// "constant", "linear", "cosine".
const std::vector<std::string>& lr_schedule_names();
/// Throws Error listing the names.
LrSchedule::Kind lr_schedule_kind(const std::string& name);

}  // namespace attune
