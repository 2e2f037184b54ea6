// Memory that a pool of blocks takes its segments from (base/block_pool.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "base/block_pool.h"

namespace attune::testing {

constexpr std::size_t kMiB = std::size_t{1} << 20;

// Segments at made-up addresses that nobody touches.
class FakeMemory {
 public:
  explicit FakeMemory(std::size_t bytes) : free_(bytes) {}
  void* take(std::size_t bytes) {
    if (bytes > free_) return nullptr;
    void* segment = reinterpret_cast<void*>(next_);  // NOLINT(performance-no-int-to-ptr): made up
    sizes_[segment] = bytes;
    next_ += bytes + BlockPool::kGranularity;
    free_ -= bytes;
    return segment;
  }
  void give(void* segment) { free_ += sizes_.at(segment); }
  std::size_t free() const { return free_; }
  BlockPool::NewSegment source() {
    return [this](std::size_t bytes) { return take(bytes); };
  }

 private:
  std::size_t free_;
  std::uintptr_t next_ = std::size_t{1} << 30;
  std::map<void*, std::size_t> sizes_;
};

}  // namespace attune::testing
