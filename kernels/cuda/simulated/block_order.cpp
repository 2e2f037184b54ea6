#include "kernels/cuda/simulated/block_order.h"

#include <algorithm>
#include <atomic>

namespace attune::simulated {
namespace {

constexpr unsigned kTagBits = 16, kBlockBits = 20, kFenceBits = 23;
constexpr std::uint64_t kNoBlock = (std::uint64_t{1} << kBlockBits) - 1;  // or several
constexpr std::uint64_t kLaunchesOfAnEra = (std::uint64_t{1} << kTagBits) - 1;
constexpr std::uint64_t kMostFences = (std::uint64_t{1} << kFenceBits) - 1;

// Two threads of the host run blocks: a note that gets lost between them is a race that another run finds.
std::uint64_t get(std::uint64_t& word) {
  return std::atomic_ref(word).load(std::memory_order_relaxed);
}
void put(std::uint64_t& word, std::uint64_t value) {
  std::atomic_ref(word).store(value, std::memory_order_relaxed);
}

// The parts of a cell's words.
std::uint64_t tag_of(std::uint64_t word) {
  return word >> 48;
}
std::uint64_t block_of(std::uint64_t word) {
  return word >> 28 & kNoBlock;
}
struct Write {
  std::uint64_t tag, block, fences;
  bool atomic;
  unsigned mask;
};
Write write_of(std::uint64_t word) {
  return {tag_of(word), block_of(word), word >> 5 & kMostFences, (word >> 4 & 1) != 0,
          static_cast<unsigned>(word & 15)};
}
std::uint64_t word_of(const Write& w) {
  return w.tag << 48 | w.block << 28 | w.fences << 5 | std::uint64_t{w.atomic} << 4 | w.mask;
}
struct Read {
  std::uint64_t tag, first, second;
  unsigned first_mask, second_mask;
};
Read read_of(std::uint64_t word) {
  return {tag_of(word), block_of(word), word >> 8 & kNoBlock, static_cast<unsigned>(word >> 4 & 15),
          static_cast<unsigned>(word & 15)};
}
std::uint64_t word_of(const Read& r) {
  return r.tag << 48 | r.first << 28 | r.second << 8 | std::uint64_t{r.first_mask} << 4 | r.second_mask;
}

template <class Fences>
void join(Fences& to, const Fences& from) {
  if (to.empty()) to.resize(from.size());
  for (std::size_t i = 0; i < from.size(); ++i) to[i] = std::max(to[i], from[i]);
}

}  // namespace

LaunchOrder::LaunchOrder(std::uint64_t blocks) : checked_(blocks > 1 && blocks < kNoBlock), blocks_(blocks) {
  static std::atomic<std::uint64_t> launches{0};
  number_ = checked_ ? launches++ : 0;
}

void BlockOrder::begin(LaunchOrder& launch, std::uint64_t block) {
  launch_ = &launch;
  era_ = launch.checked_ ? 1 + launch.number_ / kLaunchesOfAnEra : 0;
  tag_ = 1 + launch.number_ % kLaunchesOfAnEra;
  self_ = block;
  fences_ = 0;
  known_.clear();
}

void BlockOrder::fence() {
  fences_ = std::min(fences_ + 1, kMostFences);
}

std::unique_lock<std::mutex> BlockOrder::on_atomic(const void* address) {
  std::unique_lock lock(launch_->mutex_);
  if (era_ == 0) return lock;
  if (const auto found = launch_->released_.find(address); found != launch_->released_.end())
    join(known_, found->second);
  if (fences_ == 0 && known_.empty()) return lock;
  LaunchOrder::Fences& released = launch_->released_[address];
  released.resize(launch_->blocks_);
  if (!known_.empty()) join(released, known_);
  released[self_] = static_cast<std::uint32_t>(fences_);
  return lock;
}

// Whether the running block knows of more fences of a block than there were when it made an access.
bool BlockOrder::is_ordered(std::uint64_t block, std::uint64_t fences) const {
  if (block == self_ || block == kNoBlock) return true;
  return !known_.empty() && (known_[block] > fences || known_[block] == kMostFences);
}

std::optional<std::uint64_t> BlockOrder::on_read(Cell& cell, unsigned mask) {
  const std::uint64_t read = get(cell.read), write = get(cell.write);
  if (tag_of(read) != tag_) {
    put(cell.read, word_of(Read{tag_, self_, kNoBlock, mask, 0}));
  } else {
    Read r = read_of(read);
    if (r.first == self_) {
      r.first_mask |= mask;
    } else if (r.second == self_ || r.second == kNoBlock) {
      r.second = self_;
      r.second_mask |= mask;
    }
    if (const std::uint64_t now = word_of(r); now != read) put(cell.read, now);
  }
  if (tag_of(write) != tag_ || block_of(write) == self_) return std::nullopt;
  const Write w = write_of(write);
  if ((w.mask & mask) == 0 || is_ordered(w.block, w.fences)) return std::nullopt;
  return w.block;
}

std::optional<std::uint64_t> BlockOrder::on_write(Cell& cell, unsigned mask, bool atomic) {
  const std::uint64_t read = get(cell.read), write = get(cell.write);
  Write now{tag_, self_, fences_, atomic, mask};
  std::optional<std::uint64_t> other;
  if (tag_of(write) == tag_) {
    const Write before = write_of(write);
    const bool overlaps = (before.mask & mask) != 0;
    if (overlaps && !(atomic && before.atomic) && !is_ordered(before.block, before.fences)) other = before.block;
    if ((before.mask & ~mask) != 0) {  // bytes of an earlier write remain
      now.mask |= before.mask;
      now.fences = std::min(now.fences, before.fences);
      now.atomic |= before.atomic;
      if (before.block != self_) now.block = kNoBlock;
    }
  }
  put(cell.write, word_of(now));
  if (tag_of(read) == tag_) {
    const Read r = read_of(read);  // when they read is not kept: any fence that is known counts
    if ((r.first_mask & mask) != 0 && !is_ordered(r.first, 0)) other = r.first;
    if ((r.second_mask & mask) != 0 && !is_ordered(r.second, 0)) other = r.second;
  }
  return other;
}

}  // namespace attune::simulated
