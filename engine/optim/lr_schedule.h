// The learning rate as a function of the optimizer step, after a linear warm-up, with p from 0 to 1 the share of the
// steps after it that are done:
//
//   constant         peak
//   linear           peak (1 - p)
//   cosine           peak (1 + cos(pi p)) / 2
//   cosine_restarts  the same with p = (cycles p) mod 1, and 0 at the end: so many cosines, each from the peak
//                    (Loshchilov, Hutter: "SGDR", arXiv 1608.03983, with periods of one length)
//   inverse_sqrt     peak sqrt(s / (step + s - warmup)), s the warm-up's steps, or 10,000 without one; it does not
//                    depend on the length of the run (Vaswani et al., arXiv 1706.03762)
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace attune {

struct LrSchedule {
  enum class Kind : std::uint8_t { kConstant, kLinear, kCosine, kCosineRestarts, kInverseSqrt };

  Kind kind = Kind::kConstant;
  double peak = 5e-5;
  std::int64_t warmup_steps = 0;
  double warmup_ratio = 0;       // of the steps of the run, in place of warmup_steps if positive
  std::int64_t cycles = 1;       // of cosine_restarts
  std::int64_t total_steps = 0;  // where a decaying schedule reaches zero

  /// The same for a run of so many optimizer steps.
  LrSchedule over(std::int64_t steps) const;
  /// Learning rate of optimizer step `step`, counted from 0.
  double at(std::int64_t step) const;
};

/// "constant", "linear", "cosine", "cosine_restarts", "inverse_sqrt".
const std::vector<std::string>& lr_schedule_names();
/// Throws Error listing the names.
LrSchedule::Kind lr_schedule_kind(const std::string& name);

}  // namespace attune
