// Tensors on the CUDA device, a GPU or the simulator: copies, copies to the host under way, and captured work.
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "engine/tensor/captured_work.h"
#include "engine/tensor/context.h"
#include "engine/tensor/host_copy.h"
#include "engine/tensor/tensor.h"
#include "kernels/cuda/device_info.h"
#include "tests/engine/tensor/values_of.h"
#include "tests/support/message_of.h"
#include "tests/support/on_device.h"

namespace attune::testing {
namespace {

Tensor on_host(const Floats& values) {
  return Tensor::from(values, {std::ssize(values)});
}

class DeviceTensor : public OnDevice {};

TEST_F(DeviceTensor, GoesThereAndBack) {
  const Tensor x = on_host({1, 2, 3, 4}), there = x.to(Device::kCuda);
  EXPECT_EQ(there.device(), Device::kCuda);
  EXPECT_EQ(values_of(there), (Floats{1, 2, 3, 4}));
  EXPECT_EQ(values_of(there.clone()), (Floats{1, 2, 3, 4}));
  EXPECT_EQ(values_of(there.rows(1, 3)), (Floats{2, 3}));
  EXPECT_EQ(values_of(Tensor::zeros({2}, DType::kFloat32, Device::kCuda)), (Floats{0, 0}));
  const Tensor other = Tensor::zeros({4}, DType::kFloat32, Device::kCuda);
  other.copy_from(there);
  EXPECT_EQ(values_of(other), (Floats{1, 2, 3, 4}));
}

TEST_F(DeviceTensor, CannotBeReadOrConvertedOnTheHost) {
  const Tensor there = on_host({1, 2}).to(Device::kCuda);
  EXPECT_NE(message_of([&] { (void)there.values<float>(); }).find("cuda"), std::string::npos);
  EXPECT_NE(message_of([&] { (void)there.cast(DType::kFloat64); }).find("cuda"), std::string::npos);
}

TEST_F(DeviceTensor, HostCopiesHoldWhatWasThereWhenTheyStarted) {
  for (const Device device : {Device::kCpu, Device::kCuda}) {
    const Tensor x = on_host({1, 2}).to(device);
    HostCopy first(x);
    x.copy_from(on_host({3, 4}));
    HostCopy second(x), moved = std::move(first);
    EXPECT_EQ(values_of(second.get()), (Floats{3, 4}));
    EXPECT_EQ(values_of(moved.get()), (Floats{1, 2}));
    EXPECT_EQ(values_of(moved.get()), (Floats{1, 2}));
    const HostCopy dropped(x);  // may die before it has arrived
  }
}

TEST_F(DeviceTensor, CapturedWorkRunsWhenReplayed) {
  const Tensor from = on_host({1, 2}).to(Device::kCuda), to = Tensor::zeros({2}, DType::kFloat32, Device::kCuda);
  const CapturedWork work([&] { to.copy_from(from); });
  EXPECT_EQ(values_of(to), (Floats{0, 0}));
  work.replay();
  EXPECT_EQ(values_of(to), (Floats{1, 2}));
  from.copy_from(on_host({5, 6}));
  EXPECT_EQ(values_of(to), (Floats{1, 2}));
  work.replay();
  EXPECT_EQ(values_of(to), (Floats{5, 6}));
}

TEST_F(DeviceTensor, WorkThatThrowsIsForgotten) {
  const Tensor from = on_host({1, 2}).to(Device::kCuda), to = Tensor::zeros({2}, DType::kFloat32, Device::kCuda);
  const std::string message = message_of([&] {
    const CapturedWork work([&] {
      to.copy_from(from);
      throw Error("given up");
    });
  });
  EXPECT_EQ(message, "given up");
  EXPECT_EQ(values_of(to), (Floats{0, 0}));
  to.copy_from(from);  // runs at once again
  EXPECT_EQ(values_of(to), (Floats{1, 2}));
}

}  // namespace
}  // namespace attune::testing
