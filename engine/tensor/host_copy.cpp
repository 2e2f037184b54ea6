#include "engine/tensor/host_copy.h"

#include <exception>

#include "engine/tensor/context.h"
#include "kernels/cuda/context.h"
#include "kernels/cuda/memory.h"

namespace attune {
namespace {

// Waits before memory of the host is freed that a copy may still write to.
template <class Awaited>
void settle(const Awaited& awaited) {
  try {
    awaited.synchronize();
  } catch (const std::exception&) {  // the device has failed; the caller that waits for it gets the error
  }
}

}  // namespace

struct HostCopy::Arrival {
  struct PinnedBlock {
    explicit PinnedBlock(std::size_t size) : bytes(size), host(cuda::pinned_allocate(size)) {}
    ~PinnedBlock() { cuda::pinned_free(host, bytes); }
    PinnedBlock(const PinnedBlock&) = delete;
    PinnedBlock& operator=(const PinnedBlock&) = delete;
    std::size_t bytes;
    void* host;
  };

  explicit Arrival(const Tensor& x) : landing(x.bytes()) {
    const cuda::Stream& stream = cuda_context().stream();
    cuda::copy_to_host(landing.host, x.raw(), landing.bytes, stream);
    try {
      event.record(stream);
    } catch (...) {
      settle(stream);
      throw;
    }
  }
  ~Arrival() {
    if (!arrived) settle(event);
  }
  Arrival(const Arrival&) = delete;
  Arrival& operator=(const Arrival&) = delete;

  void wait() {
    event.synchronize();
    arrived = true;
  }

  PinnedBlock landing;
  cuda::Event event;
  bool arrived = false;
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
    arrival_->wait();
    copy_bytes({host_.raw(), Device::kCpu}, {arrival_->landing.host, Device::kCpu}, host_.bytes());
    arrival_.reset();
  }
  return host_;
}

}  // namespace attune
