#include "engine/tensor/host_copy.h"

#include <exception>

#include "engine/tensor/context.h"
#include "kernels/cuda/context.h"
#include "kernels/cuda/memory.h"

namespace attune {

struct HostCopy::Arrival {
  explicit Arrival(const Tensor& x) : bytes(x.bytes()), landing(cuda::pinned_allocate(bytes)) {
    cuda::copy_to_host(landing, x.raw(), bytes, cuda_context().stream());
    event.record(cuda_context().stream());
  }
  ~Arrival() {
    // The copy may still be running.
    try {
      event.synchronize();
    } catch (const std::exception&) {  // the device has failed; the caller that waits for it gets the error
    }
    cuda::pinned_free(landing, bytes);
  }
  Arrival(const Arrival&) = delete;
  Arrival& operator=(const Arrival&) = delete;

  std::size_t bytes;
  void* landing;
  cuda::Event event;
};

HostCopy::HostCopy(const Tensor& x)
    : host_(x.device() == Device::kCpu ? x.clone() : Tensor::empty(x.shape(), x.dtype())) {
  if (x.device() != Device::kCpu) arrival_ = std::make_unique<Arrival>(x);
}

HostCopy::~HostCopy() = default;
HostCopy::HostCopy(HostCopy&&) noexcept = default;
HostCopy& HostCopy::operator=(HostCopy&&) noexcept = default;

const Tensor& HostCopy::get() {
  if (arrival_) {
    arrival_->event.synchronize();
    copy_bytes({host_.raw(), Device::kCpu}, {arrival_->landing, Device::kCpu}, host_.bytes());
    arrival_.reset();
  }
  return host_;
}

}  // namespace attune
