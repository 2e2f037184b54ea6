// Memory of the simulated device. The arena hands out what a GPU's does: the same pools, cut in the same way, and a
// freed block is handed out again at once. Work on the stream finds the blocks of its own time (memory.h).
//
// The pools see segments of the sizes that a GPU's have. The memory behind is half as large again, and a block begins at
// one and a half times its distance from the segment's begin: so each is followed by bytes that no other has.
#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <new>

#include "base/check.h"
#include "kernels/cuda/arena_pools.h"
#include "kernels/cuda/device_info.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/simulated/failing_calls.h"
#include "kernels/cuda/simulated/launch.h"
#include "kernels/cuda/simulated/memory.h"
#include "kernels/cuda/simulated/stream_state.h"
#include "kernels/cuda/stream.h"

namespace attune::cuda {
namespace {

// Of a distance in the pool's segments.
std::size_t spread(std::size_t bytes) {
  return bytes / 2 * 3;
}

struct ArenaBlock {
  void* pooled;  // as the pools call it
  simulated::SegmentBlock block;
  std::weak_ptr<Graph::State> graph;  // whose capture it was allocated in
};

struct Arena {
  ArenaPools pools;
  std::map<std::byte*, std::size_t> segments;
  std::map<void*, ArenaBlock> blocks;
  std::uint64_t blocks_made = 0;
};
Arena& arena() {
  static Arena* instance = new Arena;  // blocks may be freed by static destructors
  return *instance;
}

void* new_segment(std::size_t bytes) {
  if (bytes > free_bytes()) return nullptr;
  void* segment = simulated::allocate_segment(spread(bytes), bytes);
  if (segment != nullptr) arena().segments[static_cast<std::byte*>(segment)] = bytes;
  return segment;
}

void free_segment(void* segment) {
  run_all_streams();
  arena().segments.erase(static_cast<std::byte*>(segment));
  simulated::free_segment(segment);
}

[[noreturn]] void out_of_memory(std::size_t bytes) {
  throw OutOfMemory(str_cat("out of memory: ", bytes, " bytes asked for, ", free_bytes(), " of ",
                            device_info().total_bytes, " free on ", device_info().name));
}

}  // namespace

Graph::State::State() {
  arena().pools.graph_begins();
}
Graph::State::~State() {
  arena().pools.graph_ends();
}

void* allocate(std::size_t bytes) {
  simulated::on_call(simulated::Call::kAllocation);
  if (bytes > free_bytes()) arena_release();
  if (bytes > free_bytes()) out_of_memory(bytes);
  return simulated::allocate_memory(bytes);
}

void deallocate(void* device) noexcept {
  if (device == nullptr) return;
  run_all_streams();
  simulated::free_memory(device);
}

void* arena_allocate(std::size_t bytes, const Stream& stream) {
  CHECK(stream.state().priority == Priority::kFirst, "arena: work on a second stream may not allocate");
  simulated::on_call(simulated::Call::kAllocation);
  Arena& a = arena();
  void* pooled = a.pools.allocate(bytes, stream.capturing(), new_segment, free_segment);
  if (pooled == nullptr) out_of_memory(bytes);
  std::byte* const segment = std::prev(a.segments.upper_bound(static_cast<std::byte*>(pooled)))->first;
  const auto offset = static_cast<std::size_t>(static_cast<std::byte*>(pooled) - segment);
  const simulated::SegmentBlock block{.begin = segment + spread(offset),
                                      .bytes = std::max<std::size_t>(bytes, 1),
                                      .place = spread(a.pools.size_of(pooled)),
                                      .number = ++a.blocks_made};
  const std::shared_ptr<Graph::State>& capture = stream.state().capture;
  a.blocks[block.begin] = {pooled, block, capture};
  if (capture) capture->held[block.number] = block;
  stream.state().put({.run = [block] { simulated::begin_block(block); }});
  return block.begin;
}

void arena_free(void* device, const Stream& stream) noexcept {
  if (device == nullptr) return;
  Arena& a = arena();
  const ArenaBlock freed = a.blocks.extract(device).mapped();
  a.pools.free(freed.pooled);
  const simulated::Piece end{.run = [block = freed.block] { simulated::end_block(block); }};
  const std::shared_ptr<Graph::State> graph = freed.graph.lock();
  if (graph && graph == stream.state().capture) {
    graph->held.erase(freed.block.number);
    stream.state().put(end);
    return;
  }
  stream.state().put_uncaptured(end);
  if (graph) graph->work.push_back(end);  // a later launch begins it again
}

ArenaUse arena_use() {
  const ArenaPools& pools = arena().pools;
  return {pools.in_use(), pools.peak(), pools.reserved()};
}

void reset_arena_peak() {
  arena().pools.reset_peak();
}

void arena_release() {
  arena().pools.release(free_segment);
}

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
