// A build without CUDA: its device is refused in one line, ops have no overload for it, and the CPU works as always.
#include <gtest/gtest.h>

#include <type_traits>

#include "engine/ops/run_on.h"
#include "engine/tensor/captured_work.h"
#include "engine/tensor/tensor.h"
#include "kernels/cuda/device_info.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

const std::string kRefused = "no CUDA device can be used: this build of attune has no CUDA; build with the cuda preset";

TEST(Absent, TheDeviceIsRefused) {
  EXPECT_FALSE(cuda::available());
  EXPECT_EQ(cuda::unavailable_reason(), kRefused);
  EXPECT_EQ(message_of([] { cuda_context(); }), kRefused);
  EXPECT_EQ(message_of([] { set_tensor_float32(true); }), kRefused);
  EXPECT_EQ(message_of([] { cuda_memory(); }), kRefused);
  EXPECT_EQ(message_of([] { Tensor::zeros({2}, DType::kFloat32, Device::kCuda); }), kRefused);
  EXPECT_EQ(message_of([] { Tensor::zeros({2}, DType::kFloat32).to(Device::kCuda); }), kRefused);
  EXPECT_EQ(message_of([] { CapturedWork([] {}); }), kRefused);
}

TEST(Absent, OpsRunOnTheCpuAlone) {
  const auto op = [](const auto& context) {
    static_assert(std::is_same_v<decltype(context), const kernels::CpuContext&>);
    return 7;
  };
  EXPECT_EQ(run_on(Device::kCpu, op), 7);
  EXPECT_EQ(message_of([&] { run_on(Device::kCuda, op); }), kRefused);
}

TEST(Absent, TensorsOfTheCpuWork) {
  const Tensor x = Tensor::from(std::vector<float>{1, 2}, {2}).to(Device::kCpu).clone();
  EXPECT_EQ(x.values<float>()[1], 2.0F);
}

}  // namespace
}  // namespace attune::testing
