// A vector in the memory of a backend, of exactly its size, so that sanitizers see who goes beyond.
#pragma once

#include <vector>

#include "tests/kernels/op_case.h"

namespace attune::testing {

template <class T>
class DeviceArray {
 public:
  DeviceArray(Backend& backend, const std::vector<T>& values)
      : backend_(backend), size_(values.size()), data_(static_cast<T*>(backend.allocate(size_ * sizeof(T)))) {
    if (size_ > 0) backend_.upload(data_, values.data(), size_ * sizeof(T));
  }
  ~DeviceArray() { backend_.release(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }
  std::vector<T> values() const {
    std::vector<T> out(size_);
    if (size_ > 0) backend_.download(out.data(), data_, size_ * sizeof(T));
    return out;
  }

 private:
  Backend& backend_;
  std::size_t size_;
  T* data_;
};

/// Calls f with the backend's context.
template <class F>
void run_on(const Backend& backend, F&& f) {
  const Context context = backend.context();
  if (const auto* cuda = std::get_if<const kernels::CudaContext*>(&context))
    f(**cuda);
  else
    f(std::get<kernels::CpuContext>(context));
}

}  // namespace attune::testing
