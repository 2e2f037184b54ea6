// What the tests of late rows share: the devices, random tables, and the bits that tables are compared by.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "engine/tensor/tensor.h"
#include "kernels/cuda/device_info.h"

namespace attune::testing {

/// A test on a device, skipped where there is none.
class DeviceTest : public ::testing::TestWithParam<Device> {
 public:
  static std::string name(const ::testing::TestParamInfo<Device>& device) {
    return device.param == Device::kCuda ? "cuda" : "cpu";
  }

 protected:
  void SetUp() override {
    if (GetParam() == Device::kCuda && !cuda::available()) GTEST_SKIP() << cuda::unavailable_reason();
  }
};

/// The rows of a table.
constexpr std::int64_t kRows = 150;

/// The bytes of tensors.
using Bits = std::vector<std::vector<std::byte>>;

inline void add_bits(Bits& bits, const Tensor& x) {
  const Tensor host = x.to(Device::kCpu);
  const auto* bytes = static_cast<const std::byte*>(host.raw());
  bits.emplace_back(bytes, bytes + host.bytes());
}

/// Numbers from -1 to 1.
inline Tensor random_tensor(std::mt19937& random, const Shape& shape, DType dtype = DType::kFloat32) {
  std::vector<double> values(static_cast<std::size_t>(shape.numel()));
  for (double& x : values) x = static_cast<double>(random() % 20001) / 10000 - 1;
  return Tensor::from(values, shape).cast(dtype);
}

}  // namespace attune::testing
