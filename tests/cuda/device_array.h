// A device copy of a host vector, for tests.
#pragma once

#include <vector>

#include "kernels/cuda/memory.h"
#include "kernels/cuda/stream.h"

namespace attune::testing {

template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(std::size_t n) : size_(n), buffer_(n * sizeof(T)) {}
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    const cuda::Stream stream;
    cuda::copy_to_device(buffer_.data(), values.data(), values.size() * sizeof(T), stream);
    stream.synchronize();
  }
  T* data() const { return static_cast<T*>(buffer_.data()); }
  std::vector<T> host() const {
    std::vector<T> values(size_);
    const cuda::Stream stream;
    cuda::copy_to_host(values.data(), buffer_.data(), size_ * sizeof(T), stream);
    stream.synchronize();
    return values;
  }

 private:
  std::size_t size_;
  cuda::Buffer buffer_;
};

}  // namespace attune::testing
