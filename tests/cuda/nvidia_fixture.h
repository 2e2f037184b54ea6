// Tests of kernels/cuda/nvidia on the fake CUDA runtime (tests/fake_cuda): no test may leave a mistake or an object.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "kernels/cuda/device_info.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/stream.h"
#include "tests/fake_cuda/control.h"
#include "tests/support/message_of.h"

namespace attune::testing {

/// Choices of algorithms that no other run has made, and that none finds later.
inline const bool kOwnChoices = [] {
  static const std::string path = ::testing::TempDir() + "attune_nvidia_" + std::to_string(getpid()) + ".txt";
  std::remove(path.c_str());
  std::atexit([] { std::remove(path.c_str()); });
  return setenv("ATTUNE_MATMUL_CACHE", path.c_str(), 1) == 0;
}();

/// Lets each call of `run` fail once. Returns a line for each failure that `run` reported neither by an error of one
/// line that names the call nor, in a destructor, on the standard error, and for objects that it left. `silent` says
/// which calls may fail without a word.
template <class Run, class Silent>
std::vector<std::string> unreported_failures(Run&& run, Silent&& silent) {
  std::vector<std::string> out;
  run();
  fake_cuda::fail_call("", 0);
  run();
  const std::int64_t calls = fake_cuda::calls();
  const fake_cuda::Live alive = fake_cuda::live();
  for (std::int64_t at = 1; at <= calls; ++at) {
    fake_cuda::fail_call("", at);
    ::testing::internal::CaptureStderr();
    const std::string message = message_of(run), printed = ::testing::internal::GetCapturedStderr();
    const std::string call = fake_cuda::failed_call(), said = message + printed;
    const auto names = [&](const char* words) { return said.find(words) != std::string::npos; };
    const bool waits = call == "cudaStreamSynchronize" || call == "cudaEventSynchronize";
    const bool reported = names(call.c_str()) || (call == "cudaLaunchKernel" && names("cuda: kernel ")) ||
                          (waits && names("work on the gpu failed")) || (said.empty() && silent(call));
    const std::string where = str_cat(call, ", call ", at, " of ", calls, ": ", said);
    if (!reported) out.push_back("unchecked error: " + where);
    if (message.find('\n') != std::string::npos) out.push_back("more than a line: " + where);
    fake_cuda::Live now = fake_cuda::live();
    if (now != alive) out.push_back(str_cat("leak: ", where, ": ", now, " instead of ", alive));
    if (now != alive) break;
  }
  fake_cuda::fail_call("", 0);
  return out;
}

class NvidiaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    warm();
    warm_up();
    before_ = fake_cuda::live();
    fake_cuda::take_mistakes();
  }
  /// Creates what a test's code keeps for the life of the process.
  virtual void warm_up() {}
  /// Blocks that contexts of the process may keep for tables (CudaContext::constant).
  virtual std::size_t tables() const { return 0; }
  void TearDown() override {
    fake_cuda::fail_call("", 0);
    EXPECT_EQ(fake_cuda::take_mistakes(), std::vector<std::string>{});
    cuda::arena_release();
    fake_cuda::Live now = fake_cuda::live();
    now.pinned_blocks = before_.pinned_blocks;  // freed ones are kept for reuse
    if (now.device_blocks > before_.device_blocks && now.device_blocks <= before_.device_blocks + tables())
      now.device_blocks = before_.device_blocks;
    EXPECT_EQ(now, before_);
  }

 private:
  // What is created at its first use and kept: the places of small copies.
  static void warm() {
    static const bool done = [] {
      cuda::device_info();  // of the memory that the device has at first
      const cuda::Buffer buffer(4);
      const cuda::Stream stream;
      const int value = 0;
      for (int i = 0; i < 64; ++i) cuda::copy_to_device(buffer.data(), &value, sizeof value, stream);
      stream.synchronize();
      return true;
    }();
    static_cast<void>(done);
  }
  fake_cuda::Live before_{};
};

}  // namespace attune::testing
