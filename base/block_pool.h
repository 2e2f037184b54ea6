// Blocks cut from large segments of memory: best fit, neighbours joined again when both are free. Tensors of the host
// (engine/tensor/storage.h) and of a device (kernels/cuda/arena_pools.h) are such blocks. Those of one batch then lie
// where those of another one lay, whatever the lengths of their texts.
//
// Only bookkeeping; the segments come from the caller. The same sequence of calls gives the same addresses, since the
// choice depends on sizes and on the order of segments alone. Knuth: "The art of computer programming", vol. 1, 2.5.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <tuple>

namespace attune {

class BlockPool {
 public:
  /// Every block's size is a multiple of it, and so is its address if those of the segments are.
  static constexpr std::size_t kGranularity = 512;

  /// Gets `bytes` of new memory, or null if there is not enough.
  using NewSegment = std::function<void*(std::size_t bytes)>;
  using FreeSegment = std::function<void(void*)>;

  /// A block of at least `bytes`; null if no free block is large enough and there is no new segment. Throws
  /// std::bad_alloc if there is no memory to remember it; no segment is lost then.
  void* allocate(std::size_t bytes, const NewSegment& new_segment);
  /// The same; if it fails, once more after `make_room`, which calls release().
  void* allocate(std::size_t bytes, const NewSegment& new_segment, const std::function<void()>& make_room);
  /// Whether the block is one of this pool's, and in use.
  bool owns(const void* block) const;
  /// Of a block in use.
  std::size_t size_of(const void* block) const;
  /// Frees a block and returns its size. Takes no memory.
  std::size_t free(void* block) noexcept;
  /// Returns completely free segments.
  void release(const FreeSegment& free_segment);
  /// Bytes of all segments.
  std::size_t reserved() const { return reserved_; }

 private:
  using Sizes = std::set<std::tuple<std::size_t, std::size_t, std::byte*>>;  // size, segment, address
  struct Span {
    std::size_t size = 0;
    std::size_t segment = 0;    // its number, in the order they came
    Sizes::node_type key = {};  // of a span in use: for its place in free_ later
  };
  using Spans = std::map<std::byte*, Span>;
  struct Segment {
    std::byte* begin;
    std::size_t size;
  };

  static bool is_free_in(const Span& span, std::size_t segment) { return span.segment == segment && span.key.empty(); }
  static Sizes::value_type key_of(const Spans::value_type& span) {
    return {span.second.size, span.second.segment, span.first};
  }
  Spans::const_iterator in_use(const void* block) const;
  Sizes::iterator add_segment(std::size_t size, const NewSegment& new_segment);

  Spans spans_;  // they cover the segments
  Sizes free_;
  std::map<std::size_t, Segment> segments_;  // by number
  std::size_t next_segment_ = 0, reserved_ = 0;
};

}  // namespace attune
