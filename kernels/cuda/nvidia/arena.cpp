// Memory of an NVIDIA GPU: cudaMalloc, the arena on top of it, and page-locked memory.
#include "kernels/cuda/nvidia/arena.h"

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>
#include <vector>

#include "kernels/cuda/arena_pools.h"
#include "kernels/cuda/device_info.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/nvidia/cuda_check.h"
#include "kernels/cuda/nvidia/stream_state.h"
#include "kernels/cuda/stream.h"

namespace attune::cuda {
namespace {

struct Arena {
  std::mutex mutex;
  ArenaPools pools;
};
Arena& arena() {
  static Arena* instance = new Arena;  // blocks may be freed by static destructors
  return *instance;
}

// Page-locked blocks by size, a power of two.
struct PinnedBlocks {
  std::mutex mutex;
  std::map<std::size_t, std::vector<void*>> free;
};
PinnedBlocks& pinned_blocks() {
  static PinnedBlocks* instance = new PinnedBlocks;
  return *instance;
}

void* try_allocate(std::size_t bytes) {
  void* device = nullptr;
  const cudaError_t status = cudaMalloc(&device, std::max<std::size_t>(bytes, 1));
  if (status == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());  // the error is handled; the next call must not see it
    return nullptr;
  }
  CUDA_CHECK(status);
  return device;
}

void free_segment(void* segment) {
  report(cudaFree(segment), "cudaFree");
}

[[noreturn]] void out_of_memory(std::size_t bytes) {
  throw OutOfMemory(str_cat("out of memory: ", bytes, " bytes asked for, ", free_bytes(), " of ",
                            device_info().total_bytes, " free on ", device_info().name));
}

}  // namespace

CapturedSegments::CapturedSegments() {
  const std::scoped_lock lock(arena().mutex);
  arena().pools.graph_begins();
}

CapturedSegments::~CapturedSegments() {
  const std::scoped_lock lock(arena().mutex);
  arena().pools.graph_ends();
}

void* allocate(std::size_t bytes) {
  if (void* device = try_allocate(bytes)) return device;
  {
    const std::scoped_lock lock(arena().mutex);
    arena().pools.release(free_segment);
  }
  if (void* device = try_allocate(bytes)) return device;
  out_of_memory(bytes);
}

void deallocate(void* device) noexcept {
  if (device != nullptr) report(cudaFree(device), "cudaFree");
}

void* arena_allocate(std::size_t bytes, const Stream& stream) {
  CHECK(stream.state().priority == Priority::kFirst, "arena: work on a second stream may not allocate");
  const std::scoped_lock lock(arena().mutex);
  void* block = arena().pools.allocate(bytes, stream.capturing(), try_allocate, free_segment);
  if (block == nullptr) out_of_memory(bytes);
  return block;
}

void arena_free(void* device, const Stream&) noexcept {
  if (device == nullptr) return;
  const std::scoped_lock lock(arena().mutex);
  arena().pools.free(device);
}

void arena_release() {
  const std::scoped_lock lock(arena().mutex);
  arena().pools.release(free_segment);
}

ArenaUse arena_use() {
  const std::scoped_lock lock(arena().mutex);
  const ArenaPools& pools = arena().pools;
  return {pools.in_use(), pools.peak(), pools.reserved()};
}

void reset_arena_peak() {
  const std::scoped_lock lock(arena().mutex);
  arena().pools.reset_peak();
}

std::size_t free_bytes() {
  std::size_t free = 0, total = 0;
  CUDA_CHECK(cudaMemGetInfo(&free, &total));
  return free;
}

void* pinned_allocate(std::size_t bytes) {
  const std::size_t size = std::bit_ceil(std::max<std::size_t>(bytes, 64));
  PinnedBlocks& blocks = pinned_blocks();
  const std::scoped_lock lock(blocks.mutex);
  std::vector<void*>& free = blocks.free[size];
  void* host = nullptr;
  if (free.empty()) {
    CUDA_CHECK(cudaMallocHost(&host, size));
  } else {
    host = free.back();
    free.pop_back();
  }
  return host;
}

void pinned_free(void* host, std::size_t bytes) noexcept {
  if (host == nullptr) return;
  const std::scoped_lock lock(pinned_blocks().mutex);
  pinned_blocks().free[std::bit_ceil(std::max<std::size_t>(bytes, 64))].push_back(host);
}

}  // namespace attune::cuda
