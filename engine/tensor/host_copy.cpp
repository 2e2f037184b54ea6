#include "engine/tensor/host_copy.h"

#include "engine/tensor/context.h"

namespace attune {

struct HostCopy::Arrival {
  cuda::Event event;
};

HostCopy::HostCopy(const Tensor& x) {
  if (x.device() == Device::kCpu) {
    host_ = x.clone();
    return;
  }
  const cuda::Stream& stream = cuda_context().stream();
  host_ = Tensor::empty(x.shape(), x.dtype());
  cuda::copy_to_host(host_.raw(), x.raw(), x.bytes(), stream);
  arrival_ = std::make_unique<Arrival>();
  arrival_->event.record(stream);
}

HostCopy::~HostCopy() = default;
HostCopy::HostCopy(HostCopy&&) noexcept = default;
HostCopy& HostCopy::operator=(HostCopy&&) noexcept = default;

const Tensor& HostCopy::get() const {
  if (arrival_) arrival_->event.synchronize();
  return host_;
}

}  // namespace attune
