#include "base/block_pool.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <new>
#include <utility>

#include "base/check.h"

namespace attune {
namespace {

// Small enough to be cheap to hold, large enough that a training step takes few of them.
constexpr std::size_t kSegment = std::size_t{64} << 20;

std::size_t rounded(std::size_t bytes) {
  const std::size_t least = std::max(bytes, std::size_t{1});
  return (least + BlockPool::kGranularity - 1) / BlockPool::kGranularity * BlockPool::kGranularity;
}

// A node of a map or set, to be filled and put into another one, which takes no memory then.
template <class Container>
typename Container::node_type new_node() {
  Container made;
  made.emplace();
  return made.extract(made.begin());
}

}  // namespace

// The new free span, or free_.end() if there is no memory.
BlockPool::Sizes::iterator BlockPool::add_segment(std::size_t size, const NewSegment& new_segment) {
  auto segment = new_node<std::map<std::size_t, Segment>>();
  auto span = new_node<Spans>();
  auto key = new_node<Sizes>();
  // The more there is the larger: what was cut for batches of one size serves those of another only within a segment.
  std::size_t wanted = std::max({size, kSegment, rounded(reserved_ / 4)});
  void* memory = new_segment(wanted);
  if (memory == nullptr && wanted > size) memory = new_segment(wanted = size);
  if (memory == nullptr) return free_.end();
  reserved_ += wanted;
  segment.key() = next_segment_++;
  segment.mapped() = {static_cast<std::byte*>(memory), wanted};
  span.key() = segment.mapped().begin;
  span.mapped() = {.size = wanted, .segment = segment.key()};
  segments_.insert(std::move(segment));
  key.value() = key_of(*spans_.insert(std::move(span)).position);
  return free_.insert(std::move(key)).position;
}

void* BlockPool::allocate(std::size_t bytes, const NewSegment& new_segment) {
  if (bytes > std::numeric_limits<std::size_t>::max() - kGranularity) return nullptr;
  const std::size_t size = rounded(bytes);
  auto best = free_.lower_bound({size, 0, nullptr});
  if (best == free_.end()) best = add_segment(size, new_segment);
  if (best == free_.end()) return nullptr;
  const auto [found_size, segment, block] = *best;
  Span& span = spans_.find(block)->second;
  if (found_size > size) {
    auto key = new_node<Sizes>();
    const Spans::value_type& rest = *spans_.try_emplace(block + size, Span{found_size - size, segment}).first;
    key.value() = key_of(rest);
    free_.insert(std::move(key));
    span.size = size;
  }
  span.key = free_.extract(best);
  return block;
}

void* BlockPool::allocate(std::size_t bytes, const NewSegment& new_segment, const std::function<void()>& make_room) {
  try {
    if (void* block = allocate(bytes, new_segment)) return block;
  } catch (const std::bad_alloc&) {  // free segments may be what is missing
  }
  make_room();
  return allocate(bytes, new_segment);
}

// End of spans_ if it is not a block, or is free.
BlockPool::Spans::const_iterator BlockPool::in_use(const void* block) const {
  const auto at = spans_.find(static_cast<std::byte*>(const_cast<void*>(block)));
  return at != spans_.end() && at->second.key.empty() ? spans_.end() : at;
}

bool BlockPool::owns(const void* block) const {
  return in_use(block) != spans_.end();
}

std::size_t BlockPool::size_of(const void* block) const {
  DCHECK(owns(block));
  return in_use(block)->second.size;
}

std::size_t BlockPool::free(void* block) noexcept {
  DCHECK(owns(block));
  auto at = spans_.find(static_cast<std::byte*>(block));
  const std::size_t size = at->second.size, segment = at->second.segment;
  auto key = std::move(at->second.key);
  if (const auto next = std::next(at); next != spans_.end() && is_free_in(next->second, segment)) {
    at->second.size += next->second.size;
    free_.erase(key_of(*next));
    spans_.erase(next);
  }
  if (at != spans_.begin() && is_free_in(std::prev(at)->second, segment)) {
    const auto before = std::prev(at);
    free_.erase(key_of(*before));
    before->second.size += at->second.size;
    spans_.erase(at);
    at = before;
  }
  key.value() = key_of(*at);
  free_.insert(std::move(key));
  return size;
}

void BlockPool::release(const FreeSegment& free_segment) {
  for (auto at = segments_.begin(); at != segments_.end();) {
    const auto [begin, size] = at->second;
    const auto span = spans_.find(begin);
    if (span->second.size != size || !is_free_in(span->second, at->first)) {
      ++at;
      continue;
    }
    free_.erase(key_of(*span));
    spans_.erase(span);
    reserved_ -= size;
    at = segments_.erase(at);
    free_segment(begin);
  }
}

}  // namespace attune
