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

namespace attune::testing {

/// Choices of algorithms that no other run has made, and that none finds later.
inline const bool kOwnChoices = [] {
  static const std::string path = ::testing::TempDir() + "attune_nvidia_" + std::to_string(getpid()) + ".txt";
  std::remove(path.c_str());
  std::atexit([] { std::remove(path.c_str()); });
  return setenv("ATTUNE_MATMUL_CACHE", path.c_str(), 1) == 0;
}();

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
