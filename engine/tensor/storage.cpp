#include "engine/tensor/storage.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "base/check.h"
#include "engine/tensor/context.h"
#include "kernels/cuda/context.h"
#include "kernels/cuda/memory.h"

namespace attune {
namespace {

constexpr std::size_t kAlignment = 64;

std::atomic<std::size_t> host_in_use = 0, host_peak = 0;

void count_host_bytes(std::size_t bytes) {
  const std::size_t now = host_in_use += bytes;
  for (std::size_t peak = host_peak; peak < now && !host_peak.compare_exchange_weak(peak, now);) {
  }
}

#ifdef ATTUNE_SANITIZED

std::size_t block_size(std::size_t bytes) {
  return std::max<std::size_t>(bytes, 1);
}
std::byte* take_block(std::size_t size) {
  return static_cast<std::byte*>(::operator new (size, std::align_val_t{kAlignment}, std::nothrow));
}
void give_block(std::byte* block, std::size_t) {
  ::operator delete (block, std::align_val_t{kAlignment});
}

#else

// Free blocks by size class. Never destroyed: tensors in static storage may outlive any order of destruction.
struct FreeLists {
  std::mutex mutex;
  std::map<std::size_t, std::vector<std::byte*> > lists;
};
FreeLists& free_lists() {
  static FreeLists* lists = new FreeLists;
  return *lists;
}

// Rounds up so that at most an eighth is wasted and there are few distinct sizes.
std::size_t block_size(std::size_t bytes) {
  const std::size_t least = std::max(bytes, kAlignment);
  const std::size_t step = std::max(std::bit_floor(least) / 8, kAlignment);
  return (least + step - 1) / step * step;
}

std::byte* take_block(std::size_t size) {
  FreeLists& free = free_lists();
  const std::scoped_lock lock(free.mutex);
  auto& list = free.lists[size];
  if (!list.empty()) {
    std::byte* block = list.back();
    list.pop_back();
    return block;
  }
  if (void* block = std::aligned_alloc(kAlignment, size)) return static_cast<std::byte*>(block);
  for (auto& [other, blocks] : free.lists) {  // exhausted: return everything and try once more
    for (std::byte* block : blocks) std::free(block);
    blocks.clear();
  }
  return static_cast<std::byte*>(std::aligned_alloc(kAlignment, size));
}

void give_block(std::byte* block, std::size_t size) {
  FreeLists& free = free_lists();
  const std::scoped_lock lock(free.mutex);
  try {
    free.lists[size].push_back(block);
  } catch (const std::bad_alloc&) {  // no memory to remember it
    std::free(block);
  }
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
  out->size_ = block_size(bytes);
  out->data_ = take_block(out->size_);
  if (out->data_ == nullptr)
    throw OutOfMemory(str_cat("out of memory: ", out->size_, " bytes could not be allocated on the cpu"));
  count_host_bytes(out->size_);
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
    give_block(data_, size_);
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
