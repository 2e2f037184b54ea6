// Blocks of device memory cut from large segments: best fit, neighbours joined again when both are free. The arena of a
// device has two pools: one for ordinary work, one for work recorded in graphs.
//
// Only bookkeeping; the segments come from the caller. The same sequence of calls gives the same addresses, since the
// choice depends on sizes and on the order of segments alone. Knuth: "The art of computer programming", vol. 1, 2.5.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <utility>

namespace attune::cuda {

class BlockPool {
 public:
  /// Of every block's address and size.
  static constexpr std::size_t kGranularity = 512;

  /// Gets `bytes` of new memory from the device, or null if there is not enough.
  using NewSegment = std::function<void*(std::size_t bytes)>;
  using FreeSegment = std::function<void(void*)>;

  /// A block of at least `bytes`; null if no free block is large enough and there is no new segment.
  void* allocate(std::size_t bytes, const NewSegment& new_segment);
  /// Whether the block is one of this pool's.
  bool owns(const void* block) const { return used_.contains(block); }
  std::size_t size_of(const void* block) const { return used_.at(block).size; }
  /// Frees a block and returns its size.
  std::size_t free(void* block);
  /// Returns completely free segments to the device.
  void release(const FreeSegment& free_segment);
  /// Bytes of all segments.
  std::size_t reserved() const { return reserved_; }

 private:
  struct Span {
    std::byte* begin;
    std::size_t size;
    std::size_t segment;  // number of the segment, in the order they came
  };
  using Key = std::pair<std::size_t, std::pair<std::size_t, const std::byte*>>;  // size, segment, address
  static Key key_of(const Span& span) { return {span.size, {span.segment, span.begin}}; }
  void add_free(const Span& span);
  void remove_free(const Span& span);

  std::map<const void*, Span> used_;
  std::map<const std::byte*, Span> free_by_address_;
  std::set<Key> free_by_size_;
  std::map<std::size_t, Span> segments_;  // by number
  std::size_t next_segment_ = 0, reserved_ = 0;
};

/// Memory that a graph was recorded with is free for the next graph afterwards, but a replay still writes to it. So the
/// captured pool keeps its segments as long as a graph exists.
class ArenaPools {
 public:
  /// As BlockPool::allocate; if the device has no room, free segments are returned to it first.
  void* allocate(std::size_t bytes, bool captured, const BlockPool::NewSegment& new_segment,
                 const BlockPool::FreeSegment& free_segment);
  void free(void* block);
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
