// Memory of the simulated device. Every block is a separate heap block, so that an access past its end is detected; the
// arena only counts, and keeps the memory that graphs may still access.
#include <algorithm>
#include <cstddef>
#include <map>
#include <new>
#include <set>

#include "base/check.h"
#include "kernels/cuda/device_info.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/simulated/failing_calls.h"
#include "kernels/cuda/simulated/launch.h"
#include "kernels/cuda/simulated/memory.h"
#include "kernels/cuda/simulated/stream_state.h"
#include "kernels/cuda/stream.h"

namespace attune::cuda {
namespace {

// Sizes of the arena's blocks: of those in use, and of those that are free but not the device's yet, because work that
// reads them is not done or is part of a graph.
struct Arena {
  std::map<void*, std::size_t> blocks, freed;
  std::size_t in_use = 0, peak = 0, reserved = 0;

  void give_back(void* block) {
    const auto found = freed.find(block);
    reserved -= found->second;
    freed.erase(found);
    simulated::free_memory(block);
  }
};
Arena& arena() {
  static Arena* instance = new Arena;
  return *instance;
}

// The arena's blocks that belong to graphs.
std::set<void*>& captured_blocks() {
  static auto* instance = new std::set<void*>;
  return *instance;
}

}  // namespace

Graph::State::~State() {
  for (void* block : memory) {
    captured_blocks().erase(block);
    if (arena().freed.contains(block)) arena().give_back(block);  // else whoever holds it frees it
  }
}

void* allocate(std::size_t bytes) {
  simulated::on_call(simulated::Call::kAllocation);
  if (const std::size_t free = free_bytes(); bytes > free)
    throw OutOfMemory(str_cat("out of memory: ", bytes, " bytes asked for, ", free, " of ", device_info().total_bytes,
                              " free on ", device_info().name));
  return simulated::allocate_memory(bytes);
}

void deallocate(void* device) noexcept {
  if (device == nullptr) return;
  run_all_streams();
  simulated::free_memory(device);
}

void* arena_allocate(std::size_t bytes, const Stream& stream) {
  CHECK(stream.state().priority == Priority::kFirst, "arena: work on a second stream may not allocate");
  Arena& a = arena();
  void* block = allocate(bytes);
  a.blocks[block] = bytes;
  a.in_use += bytes;
  a.reserved += bytes;
  a.peak = std::max(a.peak, a.in_use);
  if (Stream::State& s = stream.state(); s.capture) {
    s.capture->memory.push_back(block);
    captured_blocks().insert(block);
  }
  return block;
}

void arena_free(void* device, const Stream& stream) noexcept {
  if (device == nullptr) return;
  Arena& a = arena();
  const auto found = a.blocks.find(device);
  a.in_use -= found->second;
  a.freed.insert(a.blocks.extract(found));
  if (captured_blocks().contains(device)) return;
  Stream::State& s = stream.state();
  if (s.capture) {
    s.capture->memory.push_back(device);
    captured_blocks().insert(device);
  } else {
    enqueue(stream, [device] { arena().give_back(device); });
  }
}

ArenaUse arena_use() {
  return {arena().in_use, arena().peak, arena().reserved};
}

void reset_arena_peak() {
  arena().peak = arena().in_use;
}

void arena_release() {}  // freed memory returns to the device at once

std::size_t free_bytes() {
  return device_info().total_bytes - std::min(simulated::memory_in_use(), device_info().total_bytes);
}

void* pinned_allocate(std::size_t bytes) {
  simulated::on_call(simulated::Call::kPinned);
  return ::operator new(std::max<std::size_t>(bytes, 1));
}

void pinned_free(void* host, std::size_t) noexcept {
  ::operator delete(host);
}

}  // namespace attune::cuda
