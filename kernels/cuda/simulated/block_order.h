// Finds races between the blocks of one launch: two blocks access the same bytes of global memory, at least one writes,
// and nothing orders them.
//
// Every four bytes of device memory have a cell: the block that wrote there last in this launch, and two blocks that
// read there. Blocks are ordered as by the last block of a sum: one writes, calls __threadfence and then an atomic; a
// block whose atomic on the same address comes later may access what the first wrote and read before its fence, and
// what that one might. Atomics do not race with each other. A fence after the second atomic is not asked for. The check
// is of whole blocks, and of the latest accesses: it may miss a race but never reports a false one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

namespace attune::simulated {

/// Who accessed four bytes, packed: the launch's tag (16 bits), then
/// write: block (20), its fences before (23), whether by an atomic (1), which bytes (4);
/// read: a block (20) and another (20), and which bytes each (4).
struct Cell {
  std::uint64_t write = 0, read = 0;
};
inline constexpr std::size_t kCellBytes = 4;

enum class Access : std::uint8_t { kLoad, kStore, kAtomic, kAsyncCopy };

/// What blocks of a launch know of each other.
class LaunchOrder {
 public:
  explicit LaunchOrder(std::uint64_t blocks);
  LaunchOrder(const LaunchOrder&) = delete;
  LaunchOrder& operator=(const LaunchOrder&) = delete;

 private:
  friend class BlockOrder;
  using Fences = std::vector<std::uint32_t>;  // by block: how many of its fences are known

  bool checked_;  // not if there are too many blocks
  std::size_t blocks_;
  std::uint64_t number_;  // of the launch in this process
  std::mutex mutex_;
  std::map<const void*, Fences> released_;  // by the address of an atomic
};

/// A running block's accesses.
class BlockOrder {
 public:
  void begin(LaunchOrder& launch, std::uint64_t block);
  /// Launches of one era have tags of their own: the cells must be cleared for another era. 0: nothing is checked.
  std::uint64_t era() const { return era_; }
  /// Notes an access of bytes whose first cell is `cells`, from byte `offset` of it. Returns the other block of a race.
  std::optional<std::uint64_t> on_access(Cell* cells, std::size_t offset, std::size_t bytes, Access access) {
    const unsigned mask = bytes >= kCellBytes ? 15u : ((1u << bytes) - 1) << offset;
    std::optional<std::uint64_t> other;
    for (Cell* cell = cells; cell < cells + (bytes + kCellBytes - 1) / kCellBytes; ++cell)
      if (const auto found = access == Access::kLoad || access == Access::kAsyncCopy
                                 ? on_read(*cell, mask)
                                 : on_write(*cell, mask, access == Access::kAtomic))
        other = found;
    return other;
  }
  void fence();
  /// Before an atomic on global memory, which must be done as long as the lock is held.
  std::unique_lock<std::mutex> on_atomic(const void* address);

 private:
  std::optional<std::uint64_t> on_read(Cell& cell, unsigned mask);
  std::optional<std::uint64_t> on_write(Cell& cell, unsigned mask, bool atomic);
  bool is_ordered(std::uint64_t block, std::uint64_t fences) const;

  LaunchOrder* launch_ = nullptr;
  std::uint64_t era_ = 0, tag_ = 0, self_ = 0, fences_ = 0;
  LaunchOrder::Fences known_;  // empty: of none
};

}  // namespace attune::simulated
