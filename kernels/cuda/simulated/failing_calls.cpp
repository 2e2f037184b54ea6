#include "kernels/cuda/simulated/failing_calls.h"

#include <array>
#include <atomic>

#include "base/check.h"

namespace attune::simulated {
namespace {

constexpr std::array<const char*, kCalls> kNames = {"a device allocation", "an allocation of pinned memory", "a copy",
                                                    "a capture", "a launch"};
std::array<std::atomic<std::int64_t>, kCalls> counts{};
std::atomic<std::int64_t> failing{0};
std::atomic<Call> failing_kind{Call::kAllocation};

}  // namespace

void fail_call(Call call, std::int64_t at) {
  for (auto& count : counts) count = 0;
  failing_kind = call;
  failing = at;
}

std::int64_t calls(Call call) {
  return counts[static_cast<std::size_t>(call)];
}

void on_call(Call call) {
  const auto kind = static_cast<std::size_t>(call);
  if (++counts[kind] != failing || call != failing_kind) return;
  const std::string what = str_cat(kNames[kind], " fails, as a test asks for");
  if (call == Call::kAllocation || call == Call::kPinned) throw OutOfMemory("out of memory: " + what);
  throw Error("the simulated gpu: " + what);
}

}  // namespace attune::simulated
