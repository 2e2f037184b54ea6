// Simulated device memory: a table of the blocks that live, so that an access outside of them is reported, and their
// bytes. AddressSanitizer sees an access past a block's end too.
//
// The table follows the work and not the host: an arena's block begins and ends when the stream comes to that point,
// since work that was put on it before still has the block's address for another one. A graph begins and ends its
// blocks at every launch. What begins takes its place from every block that has part of it: that is what a replay does
// to results of other graphs. They are gone until their own graph is launched again.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/simulated/block_order.h"

namespace attune::simulated {

/// Each byte of memory that nothing was written to: NaN in every float format.
inline constexpr int kPoison = 0xFF;

/// A block filled with NaN, which lives until it is freed. Throws Error if memory is exhausted.
void* allocate_memory(std::size_t bytes);
void free_memory(void* device) noexcept;

/// Memory for blocks that begin and end, of which `counted` bytes are the device's. Null if there is none.
void* allocate_segment(std::size_t bytes, std::size_t counted);
/// Ends its blocks.
void free_segment(void* segment) noexcept;

/// A block in a segment. Its place is larger than the block, so that an access past the end is no other block's.
struct SegmentBlock {
  std::byte* begin = nullptr;
  std::size_t bytes = 0, place = 0;
  std::uint64_t number = 0;  // no other block has it
};
/// The block lives from now on, filled with NaN. One that lives already keeps its bytes.
void begin_block(const SegmentBlock& block);
/// It is filled with NaN, unless another block has taken its place.
void end_block(const SegmentBlock& block);

/// Bytes of all blocks and segments.
std::size_t memory_in_use();

/// A block of device memory. No other block ever has its number.
struct MemoryBlock {
  std::uint64_t number = 0;
  std::size_t bytes = 0;
};
/// The live block that an address lies in; none: number 0.
MemoryBlock memory_block(const void* address);

/// From now on memory takes memory of the host only where something is written, for models of which little is computed:
/// blocks begin as zeros, not as NaN. Races between blocks are not looked for. Throws Error if there is device memory of the
/// other kind.
void set_sparse_memory();

/// Checks an access of the running CUDA thread. Throws SimulatorFault.
void on_global_access(const void* address, std::size_t bytes, Access access);
/// Checks `what` that the host does in the place of a kernel. Throws SimulatorFault.
void check_device_memory(const void* address, std::size_t bytes, const char* what);

}  // namespace attune::simulated
