#include "kernels/cuda/context.h"

#include <map>
#include <string>

#include "base/check.h"
#include "kernels/cuda/cudnn_attention.h"
#include "kernels/cuda/device_info.h"
#include "kernels/cuda/matmul.h"
#include "kernels/cuda/memory.h"

namespace attune::kernels {

struct CudaContext::Kept {
  struct Constant {
    cuda::Buffer buffer;
    std::uint64_t number = 0;  // in the order they were made
    bool captured = false;     // a graph may read it
  };
  std::map<std::string, Constant> constants;
  std::uint64_t made = 0;

  Kept() { CHECK(cuda::available(), cuda::unavailable_reason()); }

  /// The memory of the oldest constant of this size that no graph reads; if there is none, new memory.
  cuda::Buffer take_oldest(std::size_t bytes) {
    auto oldest = constants.end();
    for (auto at = constants.begin(); at != constants.end(); ++at)
      if (!at->second.captured && at->first.size() == bytes &&
          (oldest == constants.end() || at->second.number < oldest->second.number))
        oldest = at;
    return oldest == constants.end() ? cuda::Buffer(bytes) : std::move(constants.extract(oldest).mapped().buffer);
  }
};

CudaContext::CudaContext(cuda::Priority priority)
    : kept_(std::make_unique<Kept>()), stream_(priority), matmul_plans_(cuda::make_matmul_plans()) {}

CudaContext::~CudaContext() = default;

void CudaContext::set_cudnn_attention(bool on) {
  if (on && !cudnn_plans_) cudnn_plans_ = cuda::make_cudnn_plans();
  cudnn_attention_ = on;
}

const void* CudaContext::constant(std::span<const std::byte> bytes) const {
  const std::string key(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  auto found = kept_->constants.find(key);
  if (found == kept_->constants.end()) {
    // Limits the number of tables that do not repeat. Work on the stream that reads an old one comes before the copy.
    constexpr std::size_t kMaxConstants = 64;
    const bool reuse = kept_->constants.size() >= kMaxConstants && !stream_.capturing();
    cuda::Buffer buffer = reuse ? kept_->take_oldest(bytes.size()) : cuda::Buffer(bytes.size());
    if (stream_.capturing()) {  // the copy is no part of the graph
      const cuda::Stream once;
      cuda::copy_to_device(buffer.data(), bytes.data(), bytes.size(), once);
      once.synchronize();
    } else {
      cuda::copy_to_device(buffer.data(), bytes.data(), bytes.size(), stream_);
    }
    found = kept_->constants.emplace(key, Kept::Constant{std::move(buffer), kept_->made++}).first;
  }
  found->second.captured = found->second.captured || stream_.capturing();
  return found->second.buffer.data();
}

}  // namespace attune::kernels
