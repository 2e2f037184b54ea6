// Each call of the simulated device fails once, in turn, in a short training run: an allocation, a copy, a capture, a
// launch. The run ends with one clear line, gives all device memory back, and the next run is undisturbed.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "engine/tensor/context.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/simulated/failing_calls.h"
#include "tests/engine/train/device_run.h"

namespace attune::testing {
namespace {

using simulated::Call;

// At most so many of the calls: the first, the last, and others between them.
std::set<std::int64_t> chosen(std::int64_t calls, std::int64_t most) {
  std::set<std::int64_t> out;
  for (std::int64_t i = 0; i < most; ++i) out.insert(1 + i * (calls - 1) / (most - 1));
  return out;
}

void expect_lines_and_no_memory(std::int64_t most) {
  const std::vector<double> expected = device_run();
  const std::size_t in_use = cuda::arena_use().in_use;
  for (const Call call : {Call::kAllocation, Call::kPinned, Call::kCopy, Call::kCapture, Call::kLaunch}) {
    simulated::fail_call(call, 0);
    ASSERT_EQ(device_run(), expected);
    const std::int64_t calls = simulated::calls(call);
    ASSERT_GT(calls, 0) << static_cast<int>(call);
    std::int64_t survived = 0;
    const std::set<std::int64_t> tried = chosen(calls, most);
    for (const std::int64_t at : tried) {
      SCOPED_TRACE(str_cat("kind ", static_cast<int>(call), ", call ", at, " of ", calls));
      simulated::fail_call(call, at);
      std::string message;
      try {
        device_run();
      } catch (const Error& error) {
        message = error.what();
        const bool memory = call == Call::kAllocation || call == Call::kPinned;
        EXPECT_EQ(dynamic_cast<const OutOfMemory*>(&error) != nullptr, memory);
      }
      simulated::fail_call(call, 0);
      EXPECT_NE(message.find("as a test asks for"), std::string::npos) << message;
      EXPECT_EQ(message.find('\n'), std::string::npos);
      EXPECT_EQ(cuda::arena_use().in_use, in_use);
      if (!::testing::Test::HasFailure()) ++survived;
    }
    EXPECT_EQ(device_run(), expected) << "after the failures";
    std::printf("kind %d: tried %zu of %lld, survived %lld\n", static_cast<int>(call), tried.size(),
                static_cast<long long>(calls), static_cast<long long>(survived));
  }
}

TEST(DeviceFaults, EachFailingCallEndsTheRunWithALineAndLeavesNoMemory) {
  expect_lines_and_no_memory(5);
}

TEST(DeviceFaults, ManyFailingCalls) {
  expect_lines_and_no_memory(40);
}

}  // namespace
}  // namespace attune::testing
