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
    bool captured = false;  // a graph may read it
  };
  std::map<std::string, Constant> constants;

  Kept() { CHECK(cuda::available(), cuda::unavailable_reason()); }
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
    constexpr std::size_t kMaxConstants = 64;  // limits the number of tables that do not repeat
    if (kept_->constants.size() >= kMaxConstants && !stream_.capturing()) {
      stream_.synchronize();
      std::erase_if(kept_->constants, [](const auto& entry) { return !entry.second.captured; });
    }
    cuda::Buffer buffer(bytes.size());
    const cuda::Stream once;  // not the context's own, which may be under capture
    cuda::copy_to_device(buffer.data(), bytes.data(), bytes.size(), once);
    once.synchronize();
    found = kept_->constants.emplace(key, Kept::Constant{std::move(buffer)}).first;
  }
  found->second.captured = found->second.captured || stream_.capturing();
  return found->second.buffer.data();
}

}  // namespace attune::kernels
