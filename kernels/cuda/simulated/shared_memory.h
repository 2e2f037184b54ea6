// The shared memory of a block, with a shadow that records which thread accessed which bytes and when.
//
// Every two bytes have a cell: the last write and the last read, each with its thread and time (block.h). A read of a
// cell not written in this block, two accesses of different threads (one of them a write) that no barrier orders, and
// an access under a pending cp.async are faults. Two accesses are ordered if a block barrier lies between them, or if
// both threads are in one warp and the later thread passed a __syncwarp in between. With partial masks this may miss a
// fault but never reports a false one. Memory starts as NaN in every block, so that a read without the helpers of
// device/ still shows in the results.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace attune::simulated {

class BlockRunner;

/// A cp.async that was issued and not yet waited for.
struct AsyncCopy {
  std::byte* to;
  std::array<std::byte, 16> bytes;
  int size;
  int group;
};

class SharedMemory {
 public:
  void begin_block(std::size_t dynamic_bytes, std::uint32_t time);
  void end_block() { static_.clear(); }
  /// Time starts again.
  void forget() { dynamic_ = {}; }

  std::byte* dynamic() { return dynamic_.bytes(); }
  /// The block's variable of a type, made when the first thread asks for it.
  std::byte* variable(const void* key, std::size_t bytes, BlockRunner& runner);

  /// Checks and stamps an access of the running thread. Throws SimulatorFault.
  void on_read(const void* address, std::size_t bytes, BlockRunner& runner);
  void on_write(const void* address, std::size_t bytes, BlockRunner& runner);
  /// Atomics: like a read and a write, but not in conflict with each other.
  void on_atomic(const void* address, std::size_t bytes, BlockRunner& runner);
  /// Marks the bytes as being under a cp.async of the running thread, and makes them NaN.
  void on_async_issue(std::byte* address, std::size_t bytes, BlockRunner& runner);
  /// The copy has arrived.
  void on_async_arrive(const AsyncCopy& copy, BlockRunner& runner);
  bool contains(const void* address) const;

 private:
  static constexpr std::size_t kCellBytes = 2;
  static constexpr std::uint16_t kAtomic = 0x7FFF;     // written by atomics
  static constexpr std::uint16_t kManyLanes = 0x4000;  // read by several lanes of warp (reader & 0xFF)
  static constexpr std::uint16_t kManyWarps = 0x4FFF;  // read by several warps

  struct Cell {
    std::uint32_t written = 0, read = 0;  // times
    std::uint16_t writer = 0, reader = 0;
    bool pending = false;
  };
  struct Region {
    std::unique_ptr<std::byte[]> storage;  // exactly as large as requested
    std::size_t size = 0;
    std::vector<Cell> cells;
    void resize(std::size_t bytes);
    void poison();
    std::byte* bytes() { return storage.get(); }
    bool holds(const std::byte* p) const { return p >= storage.get() && p < storage.get() + size; }
  };

  /// The cells of an access.
  struct Span {
    Cell* begin;
    Cell* end;
  };
  struct Found {
    Span span;
    std::size_t offset;  // in its region
  };
  Found find(const void* address, std::size_t bytes, const char* what, BlockRunner& runner);
  /// find() of an access, which is counted.
  Span cells(const void* address, std::size_t bytes, const char* what, BlockRunner& runner);
  void check_writable(const Cell& cell, BlockRunner& runner) const;

  Region dynamic_;
  std::map<const void*, Region> static_;
  std::uint32_t begin_ = 0;  // time the block began
};

}  // namespace attune::simulated
