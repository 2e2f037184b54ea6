// Calls of the simulated device that fail when a test asks for it.
#pragma once

#include <cstdint>

namespace attune::simulated {

enum class Call : std::uint8_t { kAllocation, kPinned, kCopy, kCapture, kLaunch };
inline constexpr int kCalls = 5;

/// From now on counts calls anew, and lets the `at`-th call (from 1) of a kind fail, once; 0: none.
void fail_call(Call call, std::int64_t at);
/// Calls of a kind since then.
std::int64_t calls(Call call);
/// Counts a call. Throws as the device's own failure does: OutOfMemory for memory, otherwise Error.
void on_call(Call call);

}  // namespace attune::simulated
