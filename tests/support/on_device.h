// For tests that need a CUDA device, a GPU or the simulator.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "kernels/cuda/device_info.h"

namespace attune::testing {

/// Skips its tests where no device may be used, and says why.
class OnDevice : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!cuda::available()) GTEST_SKIP() << cuda::unavailable_reason();
  }
};

/// Whether the device is a GPU.
inline bool on_gpu() {
  return std::string(cuda::backend_name()) == "nvidia";
}

}  // namespace attune::testing
