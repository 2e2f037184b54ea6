#include "kernels/cuda/arena_pools.h"

#include <algorithm>

namespace attune::cuda {

void* ArenaPools::allocate(std::size_t bytes, bool captured, const BlockPool::NewSegment& new_segment,
                           const BlockPool::FreeSegment& free_segment) {
  BlockPool& pool = captured ? captured_ : ordinary_;
  void* block = pool.allocate(bytes, new_segment, [&] { release(free_segment); });
  if (block == nullptr) return nullptr;
  in_use_ += pool.size_of(block);
  peak_ = std::max(peak_, in_use_);
  return block;
}

void ArenaPools::free(void* block) noexcept {
  in_use_ -= (ordinary_.owns(block) ? ordinary_ : captured_).free(block);
}

void ArenaPools::release(const BlockPool::FreeSegment& free_segment) {
  ordinary_.release(free_segment);
  if (graphs_ == 0) captured_.release(free_segment);
}

}  // namespace attune::cuda
