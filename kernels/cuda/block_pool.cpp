#include "kernels/cuda/block_pool.h"

#include <algorithm>

namespace attune::cuda {
namespace {

// Small enough to be cheap to hold, large enough that a training step takes few of them.
constexpr std::size_t kSegment = std::size_t{64} << 20;

std::size_t rounded(std::size_t bytes) {
  const std::size_t least = std::max(bytes, std::size_t{1});
  return (least + BlockPool::kGranularity - 1) / BlockPool::kGranularity * BlockPool::kGranularity;
}

}  // namespace

void BlockPool::add_free(const Span& span) {
  free_by_address_.emplace(span.begin, span);
  free_by_size_.insert(key_of(span));
}

void BlockPool::remove_free(const Span& span) {
  free_by_size_.erase(key_of(span));
  free_by_address_.erase(span.begin);
}

void* BlockPool::allocate(std::size_t bytes, const NewSegment& new_segment) {
  const std::size_t size = rounded(bytes);
  auto best = free_by_size_.lower_bound({size, {0, nullptr}});
  if (best == free_by_size_.end()) {
    // The more there is the larger: what was cut for batches of one size serves those of another only within a segment.
    std::size_t wanted = std::max({size, kSegment, rounded(reserved_ / 4)});
    void* memory = new_segment(wanted);
    if (memory == nullptr && wanted > size) memory = new_segment(wanted = size);
    if (memory == nullptr) return nullptr;
    const Span segment{static_cast<std::byte*>(memory), wanted, next_segment_++};
    segments_.emplace(segment.segment, segment);
    reserved_ += wanted;
    add_free(segment);
    best = free_by_size_.lower_bound({size, {0, nullptr}});
  }
  Span span = free_by_address_.at(best->second.second);
  remove_free(span);
  if (span.size > size) add_free({span.begin + size, span.size - size, span.segment});
  span.size = size;
  used_.emplace(span.begin, span);
  return span.begin;
}

std::size_t BlockPool::free(void* block) {
  const auto found = used_.find(block);
  Span span = found->second;
  const std::size_t size = span.size;
  used_.erase(found);
  if (const auto after = free_by_address_.find(span.begin + span.size);
      after != free_by_address_.end() && after->second.segment == span.segment) {
    const Span next = after->second;
    remove_free(next);
    span.size += next.size;
  }
  if (auto at = free_by_address_.lower_bound(span.begin); at != free_by_address_.begin()) {
    const Span before = (--at)->second;
    if (before.segment == span.segment && before.begin + before.size == span.begin) {
      remove_free(before);
      span.begin = before.begin;
      span.size += before.size;
    }
  }
  add_free(span);
  return size;
}

void BlockPool::release(const FreeSegment& free_segment) {
  for (auto at = segments_.begin(); at != segments_.end();) {
    const Span segment = at->second;
    const auto whole = free_by_address_.find(segment.begin);
    if (whole == free_by_address_.end() || whole->second.size != segment.size) {
      ++at;
      continue;
    }
    remove_free(segment);
    free_segment(segment.begin);
    reserved_ -= segment.size;
    at = segments_.erase(at);
  }
}

void* ArenaPools::allocate(std::size_t bytes, bool captured, const BlockPool::NewSegment& new_segment,
                           const BlockPool::FreeSegment& free_segment) {
  BlockPool& pool = captured ? captured_ : ordinary_;
  void* block = pool.allocate(bytes, new_segment);
  if (block == nullptr) {  // free segments may make room
    release(free_segment);
    block = pool.allocate(bytes, new_segment);
  }
  if (block == nullptr) return nullptr;
  in_use_ += pool.size_of(block);
  peak_ = std::max(peak_, in_use_);
  return block;
}

void ArenaPools::free(void* block) {
  in_use_ -= (ordinary_.owns(block) ? ordinary_ : captured_).free(block);
}

void ArenaPools::release(const BlockPool::FreeSegment& free_segment) {
  ordinary_.release(free_segment);
  if (graphs_ == 0) captured_.release(free_segment);
}

}  // namespace attune::cuda
