// Copies to, from and on an NVIDIA GPU.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <mutex>

#include "kernels/cuda/memory.h"
#include "kernels/cuda/nvidia/cuda_check.h"
#include "kernels/cuda/nvidia/stream_state.h"
#include "kernels/cuda/stream.h"

namespace attune::cuda {
namespace {

// Page-locked places through which copies go to the device, in turn: the host waits only when all are in use, and does
// not keep the bytes. Of other memory the runtime promises neither: it may read it, or wait for the stream, later.
class Staging {
 public:
  void copy(void* device, const void* host, std::size_t bytes, cudaStream_t stream) {
    const std::scoped_lock lock(mutex_);
    for (std::size_t at = 0; at < bytes; at += kPlaceBytes)
      copy_piece(static_cast<std::byte*>(device) + at, static_cast<const std::byte*>(host) + at,
                 std::min(bytes - at, kPlaceBytes), stream);
  }

 private:
  static constexpr std::size_t kPlaceBytes = std::size_t{64} << 10;
  struct Place {
    void* host = nullptr;
    cudaEvent_t left = nullptr;  // the latest copy out of here
  };

  void copy_piece(void* device, const void* host, std::size_t bytes, cudaStream_t stream) {
    Place& place = places_[next_++ % places_.size()];
    if (place.host == nullptr) CUDA_CHECK(cudaMallocHost(&place.host, kPlaceBytes));
    if (place.left == nullptr)
      CUDA_CHECK(cudaEventCreateWithFlags(&place.left, cudaEventDisableTiming));
    else
      CUDA_CHECK(cudaEventSynchronize(place.left));
    std::memcpy(place.host, host, bytes);
    CUDA_CHECK(cudaMemcpyAsync(device, place.host, bytes, cudaMemcpyHostToDevice, stream));
    if (const cudaError_t status = cudaEventRecord(place.left, stream); status != cudaSuccess) {
      report(cudaStreamSynchronize(stream), "cudaStreamSynchronize");  // else the place would change under the copy
      check(status, "cudaEventRecord");
    }
  }

  std::mutex mutex_;
  std::array<Place, 64> places_;  // more than the copies of the steps that the host runs ahead
  std::size_t next_ = 0;
};
Staging& staging() {
  static Staging* instance = new Staging;
  return *instance;
}

}  // namespace

void copy_to_device(void* device, const void* host, std::size_t bytes, const Stream& stream) {
  if (bytes == 0) return;
  if (const auto& capture = stream.state().capture) {  // a graph reads the memory again at every launch
    void* kept = pinned_allocate(bytes);
    capture->staged.emplace_back(kept, bytes);
    std::memcpy(kept, host, bytes);
    CUDA_CHECK(cudaMemcpyAsync(device, kept, bytes, cudaMemcpyHostToDevice, stream.state().stream));
  } else {
    staging().copy(device, host, bytes, stream.state().stream);
  }
}

void copy_to_host(void* host, const void* device, std::size_t bytes, const Stream& stream) {
  if (bytes != 0) CUDA_CHECK(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream.state().stream));
}

void copy_on_device(void* to, const void* from, std::size_t bytes, const Stream& stream) {
  if (bytes != 0) CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream.state().stream));
}

void set_zero(void* device, std::size_t bytes, const Stream& stream) {
  if (bytes != 0) CUDA_CHECK(cudaMemsetAsync(device, 0, bytes, stream.state().stream));
}

}  // namespace attune::cuda
