// The memory of a device's arena: one pool of blocks for ordinary work, one for work recorded in graphs.
#pragma once

#include <cstddef>

#include "base/block_pool.h"

namespace attune::cuda {

/// Memory that a graph was recorded with is free for the next graph afterwards, but a replay still writes to it. So the
/// captured pool keeps its segments as long as a graph exists.
class ArenaPools {
 public:
  /// As BlockPool::allocate; if the device has no room, free segments are returned to it first.
  void* allocate(std::size_t bytes, bool captured, const BlockPool::NewSegment& new_segment,
                 const BlockPool::FreeSegment& free_segment);
  void free(void* block) noexcept;
  std::size_t size_of(const void* block) const { return pool_of(block).size_of(block); }
  /// Returns unused segments to the device.
  void release(const BlockPool::FreeSegment& free_segment);
  void graph_begins() { ++graphs_; }
  void graph_ends() { --graphs_; }

  /// Bytes of the blocks in use, and their maximum since the last reset.
  std::size_t in_use() const { return in_use_; }
  std::size_t peak() const { return peak_; }
  void reset_peak() { peak_ = in_use_; }
  std::size_t reserved() const { return ordinary_.reserved() + captured_.reserved(); }

 private:
  const BlockPool& pool_of(const void* block) const { return ordinary_.owns(block) ? ordinary_ : captured_; }

  BlockPool ordinary_, captured_;
  std::size_t graphs_ = 0, in_use_ = 0, peak_ = 0;
};

}  // namespace attune::cuda
