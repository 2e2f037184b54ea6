#include "engine/tensor/storage.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>

#include "base/block_pool.h"
#include "base/check.h"
#include "engine/tensor/context.h"
#include "kernels/cuda/context.h"
#include "kernels/cuda/memory.h"

namespace attune {
namespace {

std::atomic<std::size_t> host_in_use = 0, host_peak = 0;

void count_host_bytes(std::size_t bytes) {
  const std::size_t now = host_in_use += bytes;
  for (std::size_t peak = host_peak; peak < now && !host_peak.compare_exchange_weak(peak, now);) {
  }
}

#ifdef ATTUNE_SANITIZED

constexpr std::size_t kAlignment = 64;

std::byte* take_block(std::size_t bytes) {
  return static_cast<std::byte*>(
      ::operator new (std::max<std::size_t>(bytes, 1), std::align_val_t{kAlignment}, std::nothrow));
}
void give_block(std::byte* block) {
  ::operator delete (block, std::align_val_t{kAlignment});
}

#else

// Never destroyed: tensors in static storage may outlive any order of destruction.
struct HostBlocks {
  std::mutex mutex;
  BlockPool pool;
};
HostBlocks& host_blocks() {
  static HostBlocks* blocks = new HostBlocks;
  return *blocks;
}

// Where the system allows more than it has, pages that nobody has written to take no memory.
void* new_segment(std::size_t bytes) {
  return std::aligned_alloc(BlockPool::kGranularity, bytes);
}

std::byte* take_block(std::size_t bytes) {
  HostBlocks& blocks = host_blocks();
  const std::scoped_lock lock(blocks.mutex);
  const auto make_room = [&] { blocks.pool.release([](void* segment) { std::free(segment); }); };
  try {
    return static_cast<std::byte*>(blocks.pool.allocate(bytes, new_segment, make_room));
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void give_block(std::byte* block) {
  HostBlocks& blocks = host_blocks();
  const std::scoped_lock lock(blocks.mutex);
  blocks.pool.free(block);
}

#endif

}  // namespace

std::shared_ptr<Storage> Storage::allocate(std::size_t bytes, Device device) {
  // First the owner, then the bytes: none are lost where memory for the owner is missing.
  std::shared_ptr<Storage> out(new Storage(device));
  if (device == Device::kCuda) {
    out->data_ = static_cast<std::byte*>(cuda::arena_allocate(bytes, cuda_context().stream()));
    return out;
  }
  out->data_ = take_block(bytes);
  if (out->data_ == nullptr)
    throw OutOfMemory(str_cat("out of memory: ", bytes, " bytes could not be allocated on the cpu"));
  out->size_ = bytes;
  count_host_bytes(bytes);
  return out;
}

std::shared_ptr<Storage> Storage::map(int file, std::size_t bytes, const std::string& name) {
  std::shared_ptr<Storage> out(new Storage(Device::kCpu));
  out->mapping_ = std::make_unique<Mapping>(file, bytes, name);
  out->data_ = const_cast<std::byte*>(out->mapping_->data());
  return out;
}

Storage::~Storage() {
  if (mapping_ || data_ == nullptr) return;
  if (device_ == Device::kCuda) {
    cuda::arena_free(data_, cuda_context().stream());
  } else {
    give_block(data_);
    host_in_use -= size_;
  }
}

HostMemory host_memory() {
  return {host_in_use, host_peak};
}

void reset_host_memory_peak() {
  host_peak = host_in_use.load();
}

void copy_bytes(Place<void*> to, Place<const void*> from, std::size_t bytes) {
  if (bytes == 0) return;
  if (to.device == Device::kCpu && from.device == Device::kCpu) {
    std::memcpy(to.data, from.data, bytes);
    return;
  }
  const cuda::Stream& stream = cuda_context().stream();
  if (from.device == Device::kCpu) {
    cuda::copy_to_device(to.data, from.data, bytes, stream);
  } else if (to.device == Device::kCpu) {
    cuda::copy_to_host(to.data, from.data, bytes, stream);
    stream.synchronize();
  } else {
    cuda::copy_on_device(to.data, from.data, bytes, stream);
  }
}

void zero_bytes(Place<void*> place, std::size_t bytes) {
  if (bytes == 0) return;
  if (place.device == Device::kCuda)
    cuda::set_zero(place.data, bytes, cuda_context().stream());
  else
    std::memset(place.data, 0, bytes);
}

}  // namespace attune
