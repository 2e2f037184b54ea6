// Runs the blocks of a grid on the CPU: one fiber per CUDA thread, barriers, warp collectives, and checks of every
// rule.
//
// One fiber runs at a time per OS thread; blocks run on several (base/parallel.h). A fiber runs until it waits: at a
// block barrier or in a warp collective. A seed determines which warp runs next, for how long, and the order of its
// lanes and of the blocks. If the result of a kernel depends on the order, another seed shows it. A broken rule throws
// SimulatorFault on the thread that broke it; the other fibers of the block are unwound.
//
// Time is a counter of synchronisations: it grows whenever a barrier or __syncwarp completes. Shared memory stores the
// time of each access (shared_memory.h), which is enough to find two accesses that no barrier orders.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <source_location>
#include <span>
#include <string>
#include <vector>

#include "kernels/cuda/simulated/block_order.h"
#include "kernels/cuda/simulated/counters.h"
#include "kernels/cuda/simulated/fault.h"
#include "kernels/cuda/simulated/fiber.h"
#include "kernels/cuda/simulated/shared_memory.h"

namespace attune::simulated {

using SourceLocation = std::source_location;

inline constexpr int kWarpSize = 32;
inline constexpr unsigned kMaxThreads = 1024;
inline constexpr std::size_t kMaxStaticShared = std::size_t{48} << 10;
inline constexpr std::size_t kMaxShared = std::size_t{163} << 10;  // the limit of sm_80 for a block that opts in

struct Dim3 {
  unsigned x = 1, y = 1, z = 1;
  std::uint64_t count() const { return std::uint64_t{x} * y * z; }
};

struct GridShape {
  const char* name;  // of the kernel, for messages
  Dim3 grid, block;
  std::size_t shared_bytes = 0;
};

/// Changes the seed that schedules are drawn from (at first that of ATTUNE_SIMULATOR_SEED, or 1).
void set_seed(std::uint64_t seed);
std::uint64_t seed();

/// Calls thread() once per CUDA thread of the grid. Throws SimulatorFault.
void run_grid(const GridShape& shape, const std::function<void()>& thread);

/// Runs only these blocks of the grid, by their index, and returns what each of them did.
std::vector<BlockCounts> run_blocks(const GridShape& shape, std::span<const std::uint64_t> blocks,
                                    const std::function<void()>& thread);

/// A warp collective that is running: what each lane hands in and gets back.
using CompleteCollective = void (*)(void* const* payloads, unsigned mask);

struct ThreadState {
  enum class Wait : std::uint8_t { kReady, kBarrier, kCollective, kDone };

  Dim3 index;
  int id = 0;  // within the block
  Wait wait = Wait::kDone;
  bool started = false;  // has its fiber been entered
  SourceLocation where;
  // The collective this lane waits in.
  const char* operation = nullptr;
  unsigned mask = 0;
  // Shared-memory bookkeeping.
  std::uint32_t synced = 0;  // time of its last __syncwarp
  std::vector<AsyncCopy> copies;
  int open_group = 0;  // cp.async group its next copies belong to

  int warp() const { return id / kWarpSize; }
  int lane() const { return id % kWarpSize; }
};

/// The collective of one mask that lanes of a warp are in.
struct Meeting {
  unsigned mask = 0, arrived = 0;      // lanes; arrived is 0: the entry is free
  const ThreadState* first = nullptr;  // that arrived
  void* payloads[kWarpSize] = {};
};

/// Runs blocks one after the other on the OS thread it belongs to.
class BlockRunner {
 public:
  BlockRunner();
  ~BlockRunner();

  void run(const GridShape& shape, LaunchOrder& order, std::uint64_t block, const std::function<void()>& thread);
  /// The same, counted.
  BlockCounts run_counted(const GridShape& shape, LaunchOrder& order, std::uint64_t block,
                          const std::function<void()>& thread);

  // The operations of a running CUDA thread.
  ThreadState& self() { return *self_; }
  SharedMemory& shared() { return shared_; }
  BlockOrder& order() { return order_; }
  std::uint32_t time() const { return time_; }
  std::uint32_t barrier_time() const { return barrier_time_; }
  void barrier(const SourceLocation& where);
  /// Waits until all lanes of `mask` are in the same collective; the last to come calls complete(payload of each lane).
  void collective(const char* operation, unsigned mask, void* payload, CompleteCollective complete,
                  const SourceLocation& where, bool orders_memory = false);
  // Accesses and products of the running thread, where they are counted.
  void count_global(const void* address, std::size_t bytes, Access access) {
    if (counting_) counter_.global(self_->warp(), self_->lane(), address, static_cast<std::uint32_t>(bytes), access);
  }
  void count_shared(std::size_t offset, std::size_t bytes) {
    if (counting_) counter_.shared(self_->warp(), self_->lane(), offset, static_cast<std::uint32_t>(bytes));
  }
  void count_product() {
    if (counting_ && self_->lane() == 0) counter_.product();
  }
  /// Throws SimulatorFault for an access of the running thread that races with one of another block.
  [[noreturn]] void fail_race(std::uint64_t other_block, const std::string& what) const;
  /// Throws SimulatorFault for the running thread.
  [[noreturn]] void fail(Fault fault, const std::string& what) const;
  std::string describe(const ThreadState& thread) const;

 private:
  struct Abort {};

  void run_block(const GridShape& shape, LaunchOrder& order, std::uint64_t block, const std::function<void()>& thread);
  void thread_main();
  void wait(ThreadState::Wait state, const SourceLocation& where);
  void run_warp(int warp);
  unsigned ready_lanes(int warp) const;
  Meeting& meeting_of(int warp, unsigned mask);
  void release_barrier();
  void diagnose_stuck() const;
  void abort_all();
  std::uint32_t random();

  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<ThreadState> threads_;
  std::array<std::vector<Meeting>, kMaxThreads / kWarpSize> meetings_;  // by warp
  SharedMemory shared_;
  BlockOrder order_;
  GridShape shape_{};
  Dim3 block_;
  const std::function<void()>* body_ = nullptr;
  ThreadState* self_ = nullptr;
  std::exception_ptr error_;
  bool aborting_ = false;
  bool counting_ = false;
  BlockCounter counter_;
  std::uint32_t time_ = 1, barrier_time_ = 1;
  std::uint64_t random_state_ = 1;
};

/// The runner of the CUDA thread that calls. Throws Error outside of one.
BlockRunner& runner();

}  // namespace attune::simulated
