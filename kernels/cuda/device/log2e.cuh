// The factor from powers of e to powers of two, which GPUs have an instruction for.
#pragma once

namespace attune::device {

/// e^x = 2^(x * kLog2E).
inline constexpr float kLog2E = 1.4426950408889634f;

}  // namespace attune::device
